// The hub as it was built, on a free port of loopback, in a folder of its own; and the reports that sandboxes send it.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { join, resolve } from "node:path";

import { until } from "../npm/until.js";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const PROGRAM = resolve(process.env.SANDBEAT_BIN ?? join(HERE, "../../target/debug/sandbeat"));
// How long a hub has to end before it is killed.
const GRACE_MS = 10_000;
// Lost after three of these and a grace that is as short.
export const QUICK_SECS = 0.3;

/** Starts one that takes reports without tokens. `key` is its admin key. */
export async function startHub({ key = null } = {}) {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "sandbeat-page-")));
  const settings = ['enroll = "open"', 'lost_grace = "200ms"', 'default_interval = "60s"', `data = "${join(folder, "data")}"`];
  if (key !== null) settings.push(`admin_key = "${key}"`);
  const config = join(folder, "sandbeat.toml");
  writeFileSync(config, `[hub]\n${settings.join("\n")}\n`);
  const authorization = key === null ? {} : { authorization: `Bearer ${key}` };
  let running = await launch(config, folder, "127.0.0.1:0");
  const beats = new Set();
  const seqs = new Map();
  const tokens = new Map();
  const hub = {
    url: running.url,
    async get(path) {
      return (await fetch(hub.url + path, { headers: authorization })).json();
    },
    async register(fields) {
      const headers = { "content-type": "application/json", ...authorization };
      const answer = await fetch(`${hub.url}/api/v1/sandboxes`, { method: "POST", headers, body: JSON.stringify(fields) });
      const registered = await answer.json();
      assert.equal(answer.status, 201, JSON.stringify(registered));
      tokens.set(registered.sandbox.id, registered.token);
    },
    async remove(id) {
      assert.equal((await fetch(`${hub.url}/api/v1/sandboxes/${id}`, { method: "DELETE", headers: authorization })).status, 200);
    },
    /** Posts one report: the base fields, and what is given. */
    async report(id, fields = {}) {
      seqs.set(id, (seqs.get(id) ?? 0) + 1);
      const body = JSON.stringify({ ...base(id), seq: seqs.get(id), ...fields });
      const token = tokens.has(id) ? { authorization: `Bearer ${tokens.get(id)}` } : {};
      const headers = { "content-type": "application/json", ...token };
      const answer = await fetch(`${hub.url}/api/v1/sandboxes/${id}/status`, { method: "POST", headers, body });
      assert.equal(answer.status, 200, await answer.text());
    },
    /** Goes on reporting often enough to stay live, until the returned function is called. */
    beat(id, fields = {}) {
      const send = () => hub.report(id, { intervalSecs: QUICK_SECS, ...fields }).catch(() => {});
      send();
      const timer = setInterval(send, (QUICK_SECS * 1000) / 2);
      beats.add(timer);
      return () => clearInterval(timer);
    },
    /** Ends it, as an operator would. */
    halt: () => running.end(),
    /** Starts it again where it was, with what it had stored. */
    async resume() {
      running = await launch(config, folder, new URL(hub.url).host);
    },
    async stop() {
      beats.forEach(clearInterval);
      await running.end();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return hub;
}

function base(id) {
  return {
    sandboxId: id,
    status: "running",
    cpuPercent: 12.5,
    memoryMB: 512,
    sessionCount: 1,
    uptimeSecs: 3600,
    hostname: `host-of-${id}`,
    timestamp: new Date().toISOString(),
    metadata: {},
    bootId: "a-boot",
    intervalSecs: 60,
    agentVersion: "0.1.0",
  };
}

// Starts a hub with nothing of this process's environment but `PATH`.
async function launch(config, folder, listen) {
  const child = spawn(PROGRAM, ["hub", "--config", config, "--listen", listen], {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: folder, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  let failed = null;
  const ended = new Promise((end) => {
    child.on("error", (error) => end((failed = error)));
    child.on("exit", (code, signal) => end((failed = new Error(`the hub ended: ${signal ?? code}\n${said}`))));
  });
  for (const output of [child.stdout, child.stderr]) output.setEncoding("utf8").on("data", (text) => (said += text));
  const check = () => {
    if (failed) throw failed;
  };
  const [, address] = await until("the hub's address", () => /the hub listens.*address=([\d.:]+)/.exec(said), check);
  return {
    url: `http://${address}`,
    async end() {
      child.kill("SIGTERM");
      const killer = setTimeout(() => child.kill("SIGKILL"), GRACE_MS);
      await ended;
      clearTimeout(killer);
    },
  };
}
