// Creating, listing, feeding and limiting processes.

import assert from "node:assert/strict";
import { test } from "node:test";

import { differ } from "./differences.js";
import { text } from "./logs.js";
import { until } from "./until.js";

const LIMITS = {
  maxConcurrentProcesses: 64,
  defaultRunTimeoutMs: 30_000,
  maxRunTimeoutMs: 300_000,
  maxOutputBytes: 1_048_576,
  maxLogBytesPerProcess: 10_485_760,
  maxInputBytesPerRequest: 65_536,
};

export function processes(running) {
  const { server } = running;

  test("createProcess tells what was created, and getProcess the same", async () => {
    const { client, folder } = running;
    const request = { command: "sleep", args: ["600"], cwd: folder, env: { SECRET: "s3cret" } };
    const before = Date.now();
    const created = await client.createProcess(request);
    assert.match(created.id, /^proc_\d+$/);
    const { id, pid, createdAtMs, ...told } = pick(created);
    assert.deepEqual(told, {
      command: "sleep",
      args: ["600"],
      cwd: folder,
      tty: false,
      interactive: false,
      owner: "user",
      status: "running",
    });
    assert.ok(pid > 1 && createdAtMs >= before - 1000 && createdAtMs <= Date.now() + 1000);
    assert.deepEqual(pick(await client.getProcess(id)), { id, pid, createdAtMs, ...told });
    assert.ok(!JSON.stringify(await client.listProcesses()).includes("s3cret"), "the environment is not shown");
    const more = "restartCount" in created;
    assert.equal(more, differ("more-fields", server, { reference: false, sandbeat: true }));
    await client.killProcess(id, { waitMs: 5000 });
  });

  test("an end is seen with its code", async () => {
    const { id } = await running.client.createProcess({ command: "sh", args: ["-c", "exit 3"] });
    const ended = await exited(running.client, id);
    assert.equal(ended.exitCode, 3);
    assert.equal(ended.pid, undefined);
    assert.ok(ended.exitedAtMs >= ended.createdAtMs);
  });

  test("what takes input gets it, in every encoding", async () => {
    const { client } = running;
    const { id, interactive } = await client.createProcess({ command: "cat", interactive: true });
    assert.equal(interactive, true);
    const inputs = [
      [{ data: "b25lCg==" }, 4],
      [{ data: "dHdvCg==", encoding: "base64" }, 4],
      [{ data: "drei ä\n", encoding: "utf8" }, 8],
      [{ data: "four\n", encoding: "text" }, 5],
    ];
    for (const [input, bytesWritten] of inputs) {
      assert.deepEqual(await client.sendProcessInput(id, input), { bytesWritten });
    }
    const all = "one\ntwo\ndrei ä\nfour\n";
    await until("the echo", async () => (await text(client, id)) === all);
    await client.killProcess(id, { waitMs: 5000 });
    await assert.rejects(client.sendProcessInput(id, { data: "eA==" }), { status: 409 });
  });

  test("one that was created without takes input as well", async () => {
    const { client } = running;
    const { id } = await client.createProcess({ command: "cat" });
    assert.deepEqual(await client.sendProcessInput(id, { data: "eA==" }), { bytesWritten: 1 });
    await client.killProcess(id, { waitMs: 5000 });
  });

  test("the list is in the order of creation, and can be had by owner", async () => {
    const { client } = running;
    const before = (await client.listProcesses({ owner: "user" })).processes.length;
    const created = [];
    for (let i = before; i < 12; i++) created.push((await client.createProcess({ command: "true" })).id);
    const listed = (await client.listProcesses({ owner: "user" })).processes.map(({ id }) => Number(id.slice(5)));
    const ascending = listed.every((number, i) => i === 0 || listed[i - 1] < number);
    assert.equal(ascending, differ("list-order", server, { reference: false, sandbeat: true }));
    const system = (await client.listProcesses({ owner: "system" })).processes.map(({ id }) => id);
    assert.deepEqual(system, differ("configured-processes", server, { reference: [], sandbeat: ["keeper"] }));
    assert.deepEqual((await client.listProcesses({ owner: "desktop" })).processes, []);
    const all = (await client.listProcesses()).processes.map(({ id }) => id);
    assert.equal(all.length, listed.length + system.length);
  });

  test("what cannot be started is an error and leaves nothing in the list", async () => {
    const { client, folder } = running;
    const number = async () => {
      const { id } = await client.createProcess({ command: "true" });
      return Number(id.slice(5));
    };
    const count = async () => (await client.listProcesses()).processes.length;
    const before = await number();
    const listed = await count();
    await assert.rejects(client.createProcess({ command: "/no/such/program" }), { status: 502 });
    await assert.rejects(client.createProcess({ command: "sleep", cwd: `${folder}/none` }), { status: 502 });
    await assert.rejects(client.createProcess({ command: "" }), { status: 400 });
    await assert.rejects(client.createProcess({ command: " " }), { status: 400 });
    const status = differ("nul-in-an-argument", server, { reference: 502, sandbeat: 400 });
    await assert.rejects(client.createProcess({ command: "echo", args: ["a\0b"] }), { status });
    assert.equal(await count(), listed);
    const burnt = (await number()) - before - 1;
    assert.equal(burnt, differ("failed-spawn-burns-an-id", server, { reference: 3, sandbeat: 0 }));
  });

  test("the limits can be read and set, and hold", async () => {
    const { client } = running;
    assert.deepEqual(await client.getProcessConfig(), LIMITS);
    const few = { ...LIMITS, maxConcurrentProcesses: 1, maxRunTimeoutMs: 1000, maxInputBytesPerRequest: 10 };
    const set = await client.setProcessConfig(few);
    assert.deepEqual(set, { ...few, defaultRunTimeoutMs: 1000 }, "the default is no longer than the longest");
    assert.deepEqual(await client.getProcessConfig(), set);
    const { id } = await client.createProcess({ command: "cat", interactive: true });
    await assert.rejects(client.createProcess({ command: "true" }), { status: 409 });
    await assert.rejects(client.sendProcessInput(id, { data: "12345678901", encoding: "utf8" }), { status: 413 });
    await assert.rejects(client.setProcessConfig({ ...LIMITS, maxConcurrentProcesses: 0 }), { status: 400 });
    await assert.rejects(client.setProcessConfig({ maxConcurrentProcesses: 1 }), { status: 422 });
    await client.killProcess(id, { waitMs: 5000 });
    await client.setProcessConfig(LIMITS);
  });
}

/** Waits for a process's end. */
export function exited(client, id) {
  return until(`the end of ${id}`, async () => {
    const process = await client.getProcess(id);
    return process.status === "exited" && process;
  });
}

/** The fields that the client has types for. */
function pick(process) {
  const fields = ["id", "command", "args", "cwd", "tty", "interactive", "owner", "status", "pid", "createdAtMs"];
  const all = [...fields, "exitCode", "exitedAtMs"];
  return Object.fromEntries(all.filter((field) => field in process).map((field) => [field, process[field]]));
}
