// That what is committed is what the binary describes.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, test } from "node:test";

import { type Documents, served, typed } from "../scripts/documents.mjs";

const STALE = "is not what the binary describes; refresh it with `SANDBEAT_BIN=… npm run generate`";
const committed = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), "utf8");

let documents: Documents;

before(async () => {
  documents = await served();
});

for (const name of ["agent", "hub"] as const) {
  test(`openapi/${name}.json and its types are those of the binary`, async () => {
    const file = `openapi/${name}.json`;
    assert.deepEqual(JSON.parse(committed(file)), documents[name], `${file} ${STALE}`);
    const types = `src/generated/${name}.ts`;
    assert.ok(committed(types) === (await typed(documents[name])), `${types} ${STALE}`);
  });
}
