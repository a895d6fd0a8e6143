// Made by `npm run generate` from openapi/*.json; not to be edited.
export {};
