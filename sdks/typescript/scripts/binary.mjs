// The binary at work: an agent, or a hub, each in a folder of its own and on a free port of loopback. For the tests, and
// for what is generated from its descriptions.

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const LOOPBACK = "127.0.0.1:0";
// What it takes to start, and to end, is far less.
const START_MS = 30_000;
const END_MS = 10_000;

/** The program: `SANDBEAT_BIN`, or what `cargo build` makes. */
export const program = resolve(process.env.SANDBEAT_BIN ?? join(HERE, "../../../target/debug/sandbeat"));

/** Starts an agent. `config` is its TOML, `env` what else it gets; with `socket` it listens on `api.sock` in its folder. */
export async function startAgent({ config = "", env = {}, socket = false } = {}) {
  const folder = makeFolder();
  writeFileSync(join(folder, "sandbeat.toml"), config);
  const variables = {
    // Nobody listens there; the agent beats on.
    AGENT_SERVER_URL: "http://127.0.0.1:9",
    AGENT_SANDBOX_ID: "sdk",
    AGENT_REPORT_INTERVAL: "60s",
    SANDBEAT_API__LISTEN: socket ? `unix:${join(folder, "api.sock")}` : LOOPBACK,
    SANDBEAT_PLUGINS__CACHE_DIR: join(folder, "cache"),
    SANDBEAT_PLUGINS__STATE_DIR: join(folder, "state"),
    ...env,
  };
  const listens = /local API listens on (?:(\d+(?:\.\d+){3}:\d+)|(unix:.*))/;
  return start(folder, ["run"], variables, listens);
}

/**
 * Starts a hub. `config` is its TOML, `args` are its arguments, `env` is what else it gets. It is another one at the same
 * place where it gets the `folder` and the address (`listen`) of one that was stopped.
 */
export async function startHub({ config = "", args = [], env = {}, folder = makeFolder(), listen = LOOPBACK } = {}) {
  writeFileSync(join(folder, "sandbeat.toml"), config);
  const listens = /the hub listens .*address=(\d+(?:\.\d+){3}:\d+)/;
  return start(folder, ["hub", "--listen", listen, ...args], env, listens);
}

async function start(folder, args, env, listens) {
  const child = spawn(program, args, {
    cwd: folder,
    // Nothing of this process's environment but `PATH`.
    env: { PATH: process.env.PATH, HOME: join(folder, "home"), NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  // A test that fails may leave it behind; it holds nobody up, and ends with whoever started it.
  const kill = () => void child.kill("SIGKILL");
  process.once("exit", kill);
  let said = "";
  let over = false;
  const ended = new Promise((end) => {
    child.on("error", (error) => end(`${error}`));
    child.on("exit", (code, signal) => end(`it ended: ${signal ?? code}`));
  });
  const address = await new Promise((found, failed) => {
    const fail = (why) => failed(new Error(`${program} ${args.join(" ")}: ${why}\n${said}`));
    const late = setTimeout(() => {
      child.kill("SIGKILL");
      fail(`it does not listen after ${START_MS} ms`);
    }, START_MS);
    void ended.then((why) => {
      over = true;
      process.removeListener("exit", kill);
      clearTimeout(late);
      fail(why);
    });
    for (const output of [child.stdout, child.stderr]) {
      output.setEncoding("utf8").on("data", (text) => {
        said += text;
        const match = listens.exec(said);
        if (!match) return;
        clearTimeout(late);
        found(match[1] ?? match[2]);
      });
    }
  });
  for (const held of [child, child.stdout, child.stderr]) held.unref();
  return {
    url: `http://${address}`,
    folder,
    said: () => said,
    /** Ends it, by SIGTERM unless told otherwise, and removes its folder. */
    async stop({ signal = "SIGTERM", keep = false } = {}) {
      if (!over) {
        child.kill(signal);
        const late = setTimeout(() => child.kill("SIGKILL"), END_MS);
        await ended;
        clearTimeout(late);
      }
      if (!keep) rmSync(folder, { recursive: true, force: true });
    },
  };
}

function makeFolder() {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "sandbeat-sdk-")));
  mkdirSync(join(folder, "home"));
  return folder;
}
