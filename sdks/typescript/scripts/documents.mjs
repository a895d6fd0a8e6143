// The descriptions of both interfaces: as the binary serves them, and as types. The same steps make what is committed
// and check it.

import openapiTS, { astToString } from "openapi-typescript";

import { startAgent, startHub } from "./binary.mjs";

const HEAD = "// Made by `npm run generate` from openapi/*.json; not to be edited.\n\n";

/** `{ agent, hub }`: what `GET /openapi.json` of each answers. */
export async function served() {
  const [agent, hub] = await Promise.all([described(startAgent), described(startHub)]);
  return { agent, hub };
}

/** A description as it is committed. */
export function written(document) {
  return JSON.stringify(document, null, 2) + "\n";
}

/** The types of a description, as they are committed. */
export async function typed(document) {
  return HEAD + astToString(await openapiTS(document, { defaultNonNullable: false }));
}

async function described(start) {
  const server = await start();
  try {
    const answer = await fetch(`${server.url}/openapi.json`);
    if (!answer.ok) throw new Error(`GET ${server.url}/openapi.json: ${answer.status}`);
    return await answer.json();
  } finally {
    await server.stop();
  }
}
