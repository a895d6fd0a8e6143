// The npm client `sandbox-agent`, unchanged, against its own daemon and against sandbeat: the whole of its health,
// agent and process surface. Where both differ, the difference is listed in differences.js, asserted on, and printed.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";

import { agents } from "./agents.js";
import { forgotten, observed, rows } from "./differences.js";
import { ending } from "./ending.js";
import { errors } from "./errors.js";
import { health } from "./health.js";
import { logs } from "./logs.js";
import { processes } from "./processes.js";
import { run } from "./run.js";
import { reference, sandbeat } from "./servers.js";
import { terminal } from "./terminal.js";

for (const server of [reference, sandbeat]) {
  for (const suite of [health, agents, processes, ending, run, logs, terminal, errors]) {
    describe(`${server.name}: ${suite.name}`, () => {
      const running = { server };
      before(async () => Object.assign(running, await server.start()));
      after(() => running.stop?.());
      suite(running);
    });
  }
}

test("the differences are all of them, and are these", (t) => {
  for (const difference of observed()) t.diagnostic(difference);
  assert.deepEqual(forgotten(), [], "nothing was asserted about these");
  const documented = readFileSync(new URL("../../docs/api.md", import.meta.url), "utf8");
  for (const row of rows()) assert.ok(documented.includes(row), `docs/api.md lacks this row:\n${row}`);
});
