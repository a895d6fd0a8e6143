// The client of the local API against the agent itself.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { inspect } from "node:util";

import {
  AgentClient,
  ApiError,
  ConnectionError,
  type Fetch,
  type LogEntry,
  logBytes,
  logText,
  type ProcessInfo,
  TimeoutError,
} from "sandbeat";
import { Agent, fetch as undiciFetch, WebSocket } from "undici";

import { type Running, startAgent } from "../scripts/binary.mjs";
import { failure, next, until, within } from "./support.js";

const TOKEN = "a-token-for-the-test";
const CONFIG = `
[processes.keeper]
command = ["sleep", "1000"]

[agents.codex]
command = ["sleep", "1000"]
base_url = "http://127.0.0.1:9999"
`;

let server: Running;
let agent: AgentClient;

before(async () => {
  server = await startAgent({ config: CONFIG, env: { SANDBEAT_API__TOKEN: TOKEN } });
  agent = new AgentClient({ url: server.url, token: TOKEN });
});

after(() => server.stop());

/** A process that runs a script of the shell, and is gone with its test. */
async function shell(t: { after(done: () => Promise<unknown>): void }, script: string, tty = false) {
  const process = await agent.processes.create({ command: "sh", args: ["-c", script], tty });
  t.after(() => agent.processes.kill(process.id, { waitMs: 5000 }));
  return process.id;
}

async function collect(entries: AsyncIterable<LogEntry>): Promise<string> {
  let text = "";
  for await (const entry of entries) text += logText(entry);
  return text;
}

const refusal = async (call: Promise<unknown>) => {
  const error = await failure(call);
  assert.ok(error instanceof ApiError, `${error}`);
  return { status: error.status, code: error.code };
};

test("an agent's health, once it is there", async () => {
  const health = await agent.waitUntilHealthy();
  assert.equal(health.status, "ok");
  assert.equal(health.sandboxId, "sdk");
  const { made, accepted, superseded, givenUp, waiting } = health.reports;
  assert.equal(made, accepted + superseded + givenUp + waiting);
  assert.deepEqual((await agent.health()).bootId, health.bootId);
});

test("an agent that starts is waited for", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const address = taken.address();
  assert.ok(address !== null && typeof address === "object");
  const listen = `127.0.0.1:${address.port}`;
  taken.close();
  await once(taken, "close");
  const late = new AgentClient({ url: `http://${listen}` });
  const healthy = late.waitUntilHealthy();
  const server = await startAgent({ env: { SANDBEAT_API__LISTEN: listen } });
  try {
    assert.equal((await healthy).status, "ok");
  } finally {
    await server.stop();
  }
  assert.ok((await failure(late.waitUntilHealthy({ timeoutMs: 200 }))) instanceof TimeoutError);
});

test("coding agents have the state of their server where they run as one", async () => {
  const agents = await agent.agents.list();
  assert.ok(agents.length >= 7);
  assert.equal(agents.find(({ id }) => id === "claude")?.serverStatus, undefined);
  const codex = await until("it to run", async () => {
    const codex = await agent.agents.get("codex");
    return codex.serverStatus?.status === "running" && codex;
  });
  const { serverStatus, capabilities } = codex;
  assert.equal(serverStatus?.baseUrl, "http://127.0.0.1:9999");
  assert.equal(serverStatus?.restartCount, 0);
  assert.equal(typeof serverStatus?.uptimeMs, "number");
  assert.equal(capabilities.sharedProcess, true);
  assert.equal((await agent.agents.get("codex", { refresh: true })).id, "codex");
  assert.deepEqual(await refusal(agent.agents.get("nobody")), { status: 400, code: "unsupported_agent" });
});

test("configured processes are listed, stopped, started, restarted and killed", async () => {
  const { processes } = agent;
  const system = await processes.list({ owner: "system" });
  assert.deepEqual(
    system.map(({ id, kind }) => [id, kind]),
    [
      ["codex", "agent"],
      ["keeper", "process"],
    ],
  );
  const before = await processes.get("keeper");
  assert.equal((await processes.stop("keeper", { waitMs: 5000 })).status, "exited");
  assert.equal((await processes.start("keeper", { waitMs: 5000 })).status, "running");
  const again = await processes.restart("keeper", { waitMs: 5000 });
  assert.equal(again.phase, "ready");
  assert.notEqual(again.pid, before.pid);
  assert.equal((await processes.kill("keeper", { waitMs: 5000 })).exitSignal, "SIGKILL");
  assert.deepEqual(await refusal(processes.delete("keeper")), { status: 409, code: "process_configured" });
  await processes.start("keeper");
});

test("processes are created, written to and forgotten", async () => {
  const { processes } = agent;
  const created: ProcessInfo = await processes.create({ command: "cat", cwd: server.folder, env: { A: "b" } });
  const { id } = created;
  assert.deepEqual([created.kind, created.owner, created.cwd], ["created", "user", server.folder]);
  assert.deepEqual(await processes.input(id, "drei ä\n"), { bytesWritten: 8 });
  const bytes = Uint8Array.from({ length: 40_000 }, (_, i) => i % 251);
  assert.deepEqual(await processes.input(id, bytes, { close: true }), { bytesWritten: 40_000 });
  const entries = [];
  for await (const entry of processes.logs(id, { follow: true })) entries.push(logBytes(entry));
  assert.deepEqual(Buffer.concat(entries), Buffer.concat([Buffer.from("drei ä\n"), bytes]));
  assert.equal((await processes.get(id)).exitCode, 0);
  assert.deepEqual(await refusal(processes.input(id, "x")), { status: 409, code: "process_not_running" });
  await processes.delete(id);
  assert.deepEqual(await refusal(processes.get(id)), { status: 404, code: "process_not_found" });
  assert.deepEqual(await refusal(processes.delete(id)), { status: 404, code: "process_not_found" });
});

test("commands are run to their end", async () => {
  const ran = await agent.processes.run({ command: "sh", args: ["-c", "echo out; echo err >&2; exit 3"] });
  assert.deepEqual([ran.exitCode, ran.stdout, ran.stderr, ran.timedOut], [3, "out\n", "err\n", false]);
  const late = await agent.processes.run({ command: "sleep", args: ["600"], timeoutMs: 100 });
  assert.deepEqual([late.exitCode, late.timedOut], [null, true]);
  assert.equal((await refusal(agent.processes.run({ command: "/no/such/program" }))).status, 502);
});

test("a log is read at once, in part, and as it comes", async (t) => {
  const { processes } = agent;
  const id = await shell(t, "echo one; echo two; echo err >&2; read go; echo three");
  await until("the lines", async () => (await collect(processes.logs(id))).length >= 12);
  assert.equal(await collect(processes.logs(id, { stream: "stdout" })), "one\ntwo\n");
  assert.equal(await collect(processes.logs(id, { stream: "stdout", tail: 1 })), "two\n");
  const follow = processes.logs(id, { stream: "stdout", tail: 1, follow: true });
  const last = await next(follow);
  assert.equal(logText(last), "two\n");
  assert.equal(await collect(processes.logs(id, { stream: "stdout", since: last.sequence })), "");
  const rest = collect(follow);
  await processes.input(id, "\n");
  assert.equal(await within("the end of the log", rest), "three\n", "it ends with the process");
  assert.deepEqual(await refusal(processes.logs("proc_77", { follow: true }).next()), {
    status: 404,
    code: "process_not_found",
  });
});

test("the signal ends a log that is followed", async (t) => {
  const id = await shell(t, "echo one; exec sleep 600");
  const controller = new AbortController();
  const seen = [];
  for await (const entry of agent.processes.logs(id, { follow: true, signal: controller.signal })) {
    seen.push(logText(entry));
    controller.abort();
  }
  assert.deepEqual(seen, ["one\n"]);
});

test("a terminal has a size", async (t) => {
  const id = await shell(t, "read go; stty size; exec sleep 600", true);
  assert.deepEqual(await agent.processes.resize(id, { cols: 101, rows: 42 }), { cols: 101, rows: 42 });
  await agent.processes.input(id, "\n");
  await until("its size", async () => (await collect(agent.processes.logs(id))).includes("42 101"));
  assert.equal((await refusal(agent.processes.resize("keeper", { cols: 1, rows: 1 }))).code, "no_terminal");
});

test("a terminal is seen and typed into", async (t) => {
  const id = await shell(t, "read word; stty size; echo got $word; exit 4", true);
  const terminal = await agent.processes.terminal(id, { WebSocket });
  terminal.resize({ cols: 77, rows: 11 });
  terminal.write("wo");
  terminal.write(new TextEncoder().encode("rd\n"));
  let seen = "";
  for await (const bytes of terminal) seen += new TextDecoder().decode(bytes);
  assert.equal(seen, "word\r\n11 77\r\ngot word\r\n");
  assert.equal(await terminal.exitCode, 4);
});

test("every iteration over a terminal ends with it, and each byte goes to one of them", async (t) => {
  const id = await shell(t, "read go; echo seen; read end", true);
  const terminal = await agent.processes.terminal(id, { WebSocket });
  let seen = "";
  const iterate = async (): Promise<void> => {
    for await (const bytes of terminal) seen += new TextDecoder().decode(bytes);
  };
  const iterations = Promise.all([iterate(), iterate(), iterate()]);
  terminal.write("go\n");
  await until("the output", () => seen.includes("seen\r\n"));
  terminal.write("\n");
  await within("the end of all iterations", iterations);
  assert.equal(seen.split("seen").length, 2, seen);
  assert.equal(await terminal.exitCode, 0);
});

test("a terminal is left alone, and refused where there is none", async (t) => {
  const { processes } = agent;
  const id = await shell(t, "exec sleep 600", true);
  const controller = new AbortController();
  const one = await processes.terminal(id, { WebSocket, signal: controller.signal });
  const two = await processes.terminal(id, { WebSocket });
  setTimeout(() => controller.abort(), 20);
  for await (const _ of one) assert.fail("nothing is written");
  two.close();
  for await (const _ of two) assert.fail("nothing is written");
  assert.deepEqual([await one.exitCode, await two.exitCode], [null, null]);
  assert.equal((await processes.get(id)).status, "running");
  for (const none of ["keeper", "proc_777"]) {
    const error = await failure(processes.terminal(none, { WebSocket }));
    assert.ok(error instanceof ConnectionError && !inspect(error).includes(TOKEN), inspect(error));
  }
  const reason = new Error("enough");
  assert.equal(await failure(processes.terminal(id, { WebSocket, signal: AbortSignal.abort(reason) })), reason);
});

test("limits are read and set", async () => {
  const config = await agent.processes.config();
  assert.equal(config.maxConcurrentProcesses, 64);
  const less = { ...config, maxOutputBytes: 4 };
  assert.deepEqual(await agent.processes.setConfig(less), less);
  assert.equal((await agent.processes.run({ command: "echo", args: ["12345"] })).stdout, "1234");
  assert.deepEqual(await agent.processes.setConfig(config), config);
});

test("the report, metrics and collectors", async () => {
  const report = await agent.report();
  assert.deepEqual([report.sandboxId, report.status], ["sdk", "running"]);
  assert.equal(report.processes?.["keeper"]?.status, "running");
  assert.match(await agent.metrics(), /^sandbeat_beating 1\.0$/m);
  assert.match(await agent.metrics({ openMetrics: true }), /# EOF\n$/);
  assert.deepEqual(await agent.plugins.list(), []);
  for (const call of [agent.plugins.get("no"), agent.plugins.reload("no")]) {
    assert.deepEqual(await refusal(call), { status: 404, code: "plugin_not_found" });
  }
});

test("a configuration is read again, or refused with all that is wrong with it", async () => {
  const file = join(server.folder, "sandbeat.toml");
  writeFileSync(file, `${CONFIG}\n[processes.second]\ncommand = ["sleep", "1000"]\n`);
  assert.deepEqual((await agent.reload()).added, ["second"]);
  writeFileSync(file, `[processes.keeper]\ncomand = 1\n[nope]\n`);
  const error = await failure(agent.reload());
  assert.ok(error instanceof ApiError);
  assert.equal(error.code, "bad_configuration");
  assert.ok(error.problems.length >= 2, `${error.problems}`);
  writeFileSync(file, CONFIG);
  assert.deepEqual((await agent.reload()).removed, ["second"]);
});

test("nobody is let in without the token", async () => {
  for (const token of [undefined, "another"]) {
    const stranger = new AgentClient({ url: server.url, token });
    assert.deepEqual(await refusal(stranger.health()), { status: 401, code: "unauthorized" });
    assert.deepEqual(await refusal(stranger.waitUntilHealthy()), { status: 401, code: "unauthorized" });
    assert.deepEqual(await refusal(stranger.processes.logs("keeper", { follow: true }).next()), {
      status: 401,
      code: "unauthorized",
    });
  }
});

test("a Unix socket is reached through a fetch that is given", async () => {
  const server = await startAgent({ socket: true });
  const dispatcher = new Agent({ connect: { socketPath: join(server.folder, "api.sock") } });
  try {
    const fetch: Fetch = (url, init) => undiciFetch(url, { ...init, dispatcher });
    const agent = new AgentClient({ url: "http://localhost", fetch });
    assert.equal((await agent.waitUntilHealthy()).status, "ok");
    const { id } = await agent.processes.create({ command: "echo", args: ["over a socket"] });
    assert.equal(await collect(agent.processes.logs(id, { follow: true })), "over a socket\n");
  } finally {
    await dispatcher.destroy();
    await server.stop();
  }
});
