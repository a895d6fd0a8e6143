// Commands that are run to their end.

import assert from "node:assert/strict";
import { test } from "node:test";

import { differ } from "./differences.js";

// Far longer than a run that returns at its timeout takes, and shorter than what its grandchild does.
const HANGS_MS = 2500;

export function run(running) {
  const { server } = running;
  const sh = (script, options = {}) => running.client.runProcess({ command: "sh", args: ["-c", script], ...options });

  test("runProcess gives the outputs and the code", async () => {
    const { durationMs, ...ran } = await sh("echo out; echo err >&2; exit 3");
    assert.deepEqual(ran, {
      exitCode: 3,
      timedOut: false,
      stdout: "out\n",
      stderr: "err\n",
      stdoutTruncated: false,
      stderrTruncated: false,
    });
    assert.ok(durationMs >= 0);
  });

  test("it runs where and with what it is told", async () => {
    const { folder } = running;
    const ran = await sh('pwd; echo "$WORD"', { cwd: folder, env: { WORD: "a b=c" } });
    assert.equal(ran.stdout, `${folder}\na b=c\n`);
    assert.equal((await sh("cat")).stdout, "", "there is nothing to read");
  });

  test("what is too much is cut off, what is no UTF-8 replaced", async () => {
    const cut = await sh("printf 123456; printf abc >&2", { maxOutputBytes: 5 });
    assert.deepEqual([cut.stdout, cut.stdoutTruncated, cut.stderr, cut.stderrTruncated], ["12345", true, "abc", false]);
    assert.equal((await sh("printf 'a\\377b'")).stdout, "a\uFFFDb");
  });

  test("a death by signal has no code", async () => {
    const ran = await sh("kill -9 $$");
    assert.equal(ran.exitCode, null);
    assert.equal(ran.timedOut, false);
    assert.equal(ran.exitSignal, differ("signal-of-death", server, { reference: undefined, sandbeat: "SIGKILL" }));
  });

  test("the timeout ends it", async () => {
    const ran = await running.client.runProcess({ command: "sleep", args: ["600"], timeoutMs: 200 });
    assert.equal(ran.timedOut, true);
    assert.equal(ran.exitCode, null);
    assert.ok(ran.durationMs >= 200);
    assert.equal((await sh("sleep 0.1; echo done", { timeoutMs: 0 })).stdout, "done\n", "0 means the default");
  });

  test("it returns at the timeout even when a grandchild holds the pipe", async () => {
    const before = Date.now();
    const ran = await sh("echo begun; sleep 3 & sleep 4", { timeoutMs: 200 });
    const hung = Date.now() - before > HANGS_MS;
    assert.equal(hung, differ("run-at-its-timeout", server, { reference: true, sandbeat: false }));
    assert.equal(ran.timedOut, true);
  });

  test("what cannot be started is an error", async () => {
    await assert.rejects(running.client.runProcess({ command: "/no/such/program" }), { status: 502 });
    await assert.rejects(running.client.runProcess({ command: "" }), { status: 400 });
  });
}
