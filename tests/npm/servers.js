// The two servers that every test runs against: the reference daemon, and sandbeat as it was built. Each has a folder
// of its own, a free port on loopback and a token, and ends with its test.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { SandboxAgent } from "sandbox-agent";

import { until } from "./until.js";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const TOKEN = "a-token-for-the-test";
// How long a server has to end before it is killed.
const GRACE_MS = 10_000;

/** The daemon that the npm client is made for. */
export const reference = {
  name: "sandbox-agent",
  async start() {
    const folder = makeFolder();
    const port = await freePort();
    const program = join(HERE, "node_modules/@sandbox-agent/cli-linux-x64/bin/sandbox-agent");
    // Its package does this in a script that runs at installation, where scripts may run.
    chmodSync(program, 0o755);
    const server = launch(program, folder, {
      args: ["server", "--no-telemetry", "--token", TOKEN, "--host", "127.0.0.1", "--port", String(port)],
    });
    return running(server, folder, `http://127.0.0.1:${port}`);
  },
};

/** The agent of this repository, with one configured process. */
export const sandbeat = {
  name: "sandbeat",
  async start() {
    const folder = makeFolder();
    writeFileSync(join(folder, "sandbeat.toml"), '[processes.keeper]\ncommand = ["sleep", "1000"]\n');
    const program = process.env.SANDBEAT_BIN ?? resolve(HERE, "../../target/debug/sandbeat");
    const server = launch(program, folder, {
      args: ["run"],
      env: {
        // Nobody listens there; the agent beats on.
        AGENT_SERVER_URL: "http://127.0.0.1:9",
        AGENT_SANDBOX_ID: "npm",
        AGENT_REPORT_INTERVAL: "60s",
        SANDBEAT_API__LISTEN: "127.0.0.1:0",
        SANDBEAT_API__TOKEN: TOKEN,
        SANDBEAT_PLUGINS__CACHE_DIR: join(folder, "cache"),
        SANDBEAT_PLUGINS__STATE_DIR: join(folder, "state"),
        NO_COLOR: "1",
      },
    });
    const listens = /local API listens on (127\.0\.0\.1:\d+)/;
    const [, address] = await until("the local API", () => listens.exec(server.said()), server.check);
    return running(server, folder, `http://${address}`);
  },
};

async function running(server, folder, baseUrl) {
  const client = await SandboxAgent.connect({ baseUrl, token: TOKEN, waitForHealth: { timeoutMs: 30_000 } });
  return {
    baseUrl,
    token: TOKEN,
    client,
    folder,
    pid: server.pid,
    /** A request beside the client, for what the client never sends. */
    fetch: (path, options = {}) =>
      fetch(baseUrl + path, { ...options, headers: { authorization: `Bearer ${TOKEN}`, ...options.headers } }),
    async stop() {
      await client.dispose();
      await server.end();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function makeFolder() {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "sandbeat-npm-")));
  mkdirSync(join(folder, "home"));
  return folder;
}

// Starts a server with nothing of this process's environment but `PATH`.
function launch(program, folder, { args, env = {} }) {
  const child = spawn(program, args, {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: join(folder, "home"), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  let failed;
  const ended = new Promise((end) => {
    child.on("error", (error) => end((failed = error)));
    child.on("exit", (code, signal) => end((failed = new Error(`${program} ended: ${signal ?? code}\n${said}`))));
  });
  for (const output of [child.stdout, child.stderr]) {
    output.setEncoding("utf8").on("data", (text) => (said += text));
  }
  return {
    pid: child.pid,
    said: () => said,
    check: () => {
      if (failed) throw failed;
    },
    async end() {
      child.kill("SIGTERM");
      const killer = setTimeout(() => child.kill("SIGKILL"), GRACE_MS);
      await ended;
      clearTimeout(killer);
    },
  };
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}
