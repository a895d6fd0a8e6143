// The examples of the README: each compiles as a user's own would, and does its work against an agent and a hub.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { HubClient } from "sandbeat";
import ts from "typescript";

import { type Running, startAgent, startHub } from "../scripts/binary.mjs";
import { next, within } from "./support.js";

const KEY = "an-admin-key-for-the-test";
const TOKEN = "a-token-for-the-test";
const PACKAGE = fileURLToPath(new URL("..", import.meta.url));
// In the package, so that they find it by its name.
const FOLDER = join(PACKAGE, "build/readme");

const readme = readFileSync(join(PACKAGE, "README.md"), "utf8");
const examples = [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code ?? "");

let servers: Running[];
let places: [string, string][];

before(async () => {
  const config = '[agents.codex]\ncommand = ["sleep", "1000"]\nbase_url = "http://127.0.0.1:9999"\n';
  const [hub, agent, local] = await Promise.all([
    startHub({ env: { SANDBEAT_HUB__ADMIN_KEY: KEY } }),
    startAgent({ config, env: { SANDBEAT_API__TOKEN: TOKEN } }),
    startAgent({ socket: true }),
  ]);
  servers = [hub, agent, local];
  places = [
    ["http://127.0.0.1:8080", hub.url],
    ["http://127.0.0.1:2468", agent.url],
    ["/run/sandbeat.sock", join(local.folder, "api.sock")],
    ["60_000", "5_000"],
  ];
  mkdirSync(FOLDER, { recursive: true });
});

after(() => Promise.all(servers.map((server) => server.stop())));

test("the examples compile", () => {
  const files = examples.map((code, i) => {
    const file = join(FOLDER, `${i + 1}.ts`);
    writeFileSync(file, code);
    return file;
  });
  const { config } = ts.readConfigFile(join(PACKAGE, "test/tsconfig.json"), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, join(PACKAGE, "test"));
  // The environment is read as most do.
  Object.assign(options, { rootDir: FOLDER, noEmit: true, noPropertyAccessFromIndexSignature: false });
  const problems = ts.getPreEmitDiagnostics(ts.createProgram(files, options));
  assert.deepEqual(
    problems.map(({ file, messageText }) => [file?.fileName, messageText]),
    [],
  );
});

examples.forEach((example, i) => {
  test(`example ${i + 1} works`, async () => {
    const code = places.reduce((code, [there, here]) => code.replaceAll(there, here), example);
    const file = join(FOLDER, `${i + 1}.mjs`);
    const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
    writeFileSync(file, ts.transpileModule(code, { compilerOptions }).outputText);
    const reporting = example.includes("waitFor") ? reports() : undefined;
    const child = spawn(process.execPath, [file], { env: { ...process.env, HUB_KEY: KEY, AGENT_API_TOKEN: TOKEN } });
    try {
      let said = "";
      for (const output of [child.stdout, child.stderr]) {
        output.setEncoding("utf8").on("data", (text) => (said += text));
      }
      const [status] = await within("its end", once(child, "close"));
      assert.equal(status, 0, said);
      assert.match(said, EXPECTED[i] ?? /^$/);
      await reporting;
    } finally {
      child.kill("SIGKILL");
    }
  });
});

/** What the examples say, in their order. */
const EXPECTED = [
  /sbox-1 AGENT_TOKEN=\w+\n12\.5 [^]*\nsbox-1 live\n[^]*512 MiB[^]*0 of 1 are lost/,
  /^live\n$/,
  /^$/,
  /http:\/\/127\.0\.0\.1:9999 \d+\n0 Linux[^]*got it\n0\n/,
  /^undefined\n$/,
  /40 120[^]*\n0\n/,
  /^no process is called `no-such-process`/,
];

/** Reports for the sandbox that an example registers, as its agent would. */
async function reports(): Promise<void> {
  const hub = new HubClient({ url: servers[0]?.url ?? "", key: KEY });
  const registered = hub.events.stream({ types: ["registered"], after: 0 });
  await next(registered);
  await registered.return();
  const { token } = await hub.sandboxes.rotateToken("sbox-1");
  const timestamp = new Date().toISOString();
  await hub.report("sbox-1", token, { status: "running", uptimeSecs: 1, timestamp, cpuPercent: 12.5, memoryMB: 512 });
}
