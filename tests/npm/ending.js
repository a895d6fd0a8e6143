// Stopping, killing and deleting.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { differ } from "./differences.js";
import { text } from "./logs.js";
import { exited } from "./processes.js";
import { until } from "./until.js";

export function ending(running) {
  const { server } = running;

  test("stopProcess stops, waits for it, and can be asked again", async () => {
    const { client } = running;
    const { id } = await client.createProcess({ command: "sleep", args: ["600"] });
    const stopped = await client.stopProcess(id, { waitMs: 5000 });
    assert.equal(stopped.status, "exited");
    assert.equal(stopped.pid, undefined);
    assert.equal(stopped.exitCode, undefined);
    const signal = differ("signal-of-death", server, { reference: undefined, sandbeat: "SIGTERM" });
    assert.equal(stopped.exitSignal, signal);
    assert.equal((await client.stopProcess(id)).status, "exited");
    assert.equal((await client.killProcess(id)).status, "exited");
  });

  test("one that ignores the request is still running after waitMs, until it is killed", async () => {
    const { client } = running;
    const script = 'trap "" TERM; echo ready; while :; do sleep 0.1; done';
    const { id } = await client.createProcess({ command: "sh", args: ["-c", script] });
    await until("it to be ready", async () => (await text(client, id)) === "ready\n");
    const before = Date.now();
    assert.equal((await client.stopProcess(id, { waitMs: 200 })).status, "running");
    assert.ok(Date.now() - before < 5000);
    assert.equal((await client.killProcess(id, { waitMs: 5000 })).status, "exited");
  });

  test("what a process has started ends with it", async () => {
    const { client } = running;
    for (const end of ["stopProcess", "killProcess"]) {
      const { id } = await client.createProcess({ command: "sh", args: ["-c", "sleep 600 & echo $!; wait"] });
      const pid = Number(await until("the child's id", async () => (await text(client, id)).trim()));
      await client[end](id, { waitMs: 5000 });
      const left = alive(pid);
      assert.equal(left, differ("stop-takes-the-tree", server, { reference: true, sandbeat: false }));
      if (left) process.kill(pid, "SIGKILL");
    }
  });

  test("deleteProcess forgets what has ended, and nothing else", async () => {
    const { client } = running;
    const { id } = await client.createProcess({ command: "sleep", args: ["600"] });
    await assert.rejects(client.deleteProcess(id), { status: 409 });
    await client.killProcess(id, { waitMs: 5000 });
    await exited(client, id);
    assert.equal(await client.deleteProcess(id), undefined);
    for (const ask of [
      () => client.getProcess(id),
      () => client.deleteProcess(id),
      () => client.stopProcess(id),
      () => client.killProcess(id),
      () => client.getProcessLogs(id),
      () => client.followProcessLogs(id, () => {}),
      () => client.sendProcessInput(id, { data: "" }),
      () => client.resizeProcessTerminal(id, { cols: 80, rows: 24 }),
    ]) {
      await assert.rejects(ask, { status: 404 });
    }
    const { processes } = await client.listProcesses();
    assert.ok(processes.every((process) => process.id !== id));
  });
}

// One that has ended and that nobody has asked for yet (a zombie) is not alive.
function alive(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return !"ZX".includes(stat.slice(stat.lastIndexOf(")") + 2)[0]);
  } catch {
    return false;
  }
}
