// Asks both for the usage of one agent below a home, in the same form: figures by model.

import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync, copyFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const binary = process.env.SANDBEAT_BIN ?? join(here, "../../target/debug/sandbeat");

// Its own package makes it executable; that one names binaries for other systems, too, which not every registry has.
const itsBinary = join(here, "node_modules/@ccusage/ccusage-linux-x64/bin/ccusage");
chmodSync(itsBinary, 0o755);

/** What ccusage says. */
export function ccusage(home, agent) {
  const environment = { PATH: process.env.PATH, HOME: home, TZ: "UTC", LOG_LEVEL: "0" };
  const answer = run(itsBinary, [agent, "daily", "--json", "--offline"], environment, home);
  const models = {};
  for (const day of answer.daily ?? []) {
    const parts = day.modelBreakdowns ?? Object.entries(day.models).map(([modelName, usage]) => ({ modelName, ...usage }));
    for (const part of parts) {
      const model = (models[part.modelName.replace(/-fast$/, "")] ??= { input: 0, output: 0, read: 0, write: 0 });
      model.input += part.inputTokens;
      model.output += part.outputTokens;
      model.read += part.cacheReadTokens;
      model.write += part.cacheCreationTokens;
    }
  }
  const { totalTokens = 0, totalCost, costUSD } = answer.totals ?? {};
  return { models, total: totalTokens, cost: Math.abs(totalCost ?? costUSD ?? 0) };
}

/** What the collector says, with input as ccusage has it: without what came from a cache or went into one. */
export function sandbeat(home, agent) {
  const folder = join(home, "plugins");
  mkdirSync(folder, { recursive: true });
  const shipped = readFileSync(join(here, "../../plugins/agent-usage/agent-usage.toml"), "utf8");
  // One collect has to be enough, also on a busy machine.
  const sidecar = shipped.replaceAll("/root", home).replace(/^(cpu|timeout) .*$/gm, '$1 = "60s"');
  writeFileSync(join(folder, "agent-usage.toml"), sidecar);
  copyFileSync(component(), join(folder, "agent-usage.wasm"));
  const environment = { PATH: process.env.PATH, HOME: home, SANDBEAT_PLUGINS__CACHE_DIR: join(home, "../cache") };
  const answer = run(binary, ["plugin", "run", "plugins/agent-usage.wasm", "--json"], environment, home);
  const names = { claude: "claude-code", codex: "codex", opencode: "opencode" };
  const models = {};
  const take = (name, part) => {
    for (const { attributes, value } of metrics(answer, name, names[agent])) {
      const model = (models[attributes["gen_ai.request.model"]] ??= { input: 0, output: 0, read: 0, write: 0, reasoning: 0 });
      model[part] += value;
    }
  };
  take("gen_ai.client.inference.usage.input_tokens", "input");
  take("gen_ai.client.inference.usage.output_tokens", "output");
  take("gen_ai.client.inference.usage.cache_read.input_tokens", "read");
  take("gen_ai.client.inference.usage.cache_write.input_tokens", "write");
  take("gen_ai.client.inference.usage.reasoning.output_tokens", "reasoning");
  const sum = (points) => points.reduce((total, point) => total + point.value, 0);
  const total = Object.values(models).reduce((sum, model) => sum + model.input + model.output, 0);
  for (const model of Object.values(models)) model.input -= model.read + model.write;
  return {
    models,
    total,
    cost: sum(metrics(answer, "agent_usage.cost", names[agent])),
    pending: answer.metrics.find((metric) => metric.name === "agent_usage.pending").value,
    unreadable: answer.metrics.find((metric) => metric.name === "agent_usage.unreadable").value,
  };
}

function metrics(answer, name, agent) {
  const ofAgent = (metric) => metric.name === name && metric.attributes["gen_ai.agent.name"] === agent;
  return answer.metrics.filter(ofAgent);
}

/** The component that was built into the binary, newest first. */
function component() {
  const builds = join(dirname(binary), "build");
  const folders = readdirSync(builds).filter((name) => name.startsWith("sandbeat-bundled-"));
  const files = folders.map((name) => join(builds, name, "out/agent-usage.wasm"));
  const dated = files.flatMap((file) => {
    const info = statSync(file, { throwIfNoEntry: false });
    return info ? [{ file, time: info.mtimeMs }] : [];
  });
  if (dated.length === 0) throw new Error(`no agent-usage.wasm below ${builds}; run cargo build`);
  return dated.sort((a, b) => b.time - a.time)[0].file;
}

function run(command, args, env, cwd) {
  const ended = spawnSync(command, args, { env, cwd, encoding: "utf8", maxBuffer: 1 << 26 });
  if (ended.status !== 0) throw new Error(`${command} ${args.join(" ")}: ${ended.stderr}${ended.stdout}${ended.error ?? ""}`);
  return JSON.parse(ended.stdout);
}
