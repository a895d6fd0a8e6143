// Refreshes the descriptions in openapi/ from the binary (SANDBEAT_BIN) and the types in src/generated/ from them.

import { mkdirSync, writeFileSync } from "node:fs";

import { served, typed, written } from "./documents.mjs";

const file = (path) => new URL(`../${path}`, import.meta.url);

for (const folder of ["openapi", "src/generated"]) mkdirSync(file(folder), { recursive: true });
for (const [name, document] of Object.entries(await served())) {
  writeFileSync(file(`openapi/${name}.json`), written(document));
  writeFileSync(file(`src/generated/${name}.ts`), await typed(document));
}
