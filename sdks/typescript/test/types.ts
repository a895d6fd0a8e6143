// What the types say. Compiled with the tests and never run: it is right when it compiles, and each line below an
// `@ts-expect-error` has to be an error.

import type {
  AgentClient,
  AgentInfo,
  AnySandbeatError,
  Fetch,
  HubClient,
  LogEntry,
  ProcessInfo,
  Report,
  Sandbox,
  SandboxDetails,
  SandboxEvent,
  ServerStatus,
  StreamBeats,
  StreamReset,
} from "sandbeat";
import { fetch as undiciFetch } from "undici";

import type { components as Agent } from "../dist/generated/agent.js";
import type { components as Hub } from "../dist/generated/hub.js";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Item<T> = T extends AsyncIterable<infer I> ? I : never;
const is = <_ extends true>(): void => undefined;

export async function agent(agent: AgentClient, signal: AbortSignal): Promise<void> {
  const info = await agent.agents.get("codex", { signal });
  is<Equal<typeof info, AgentInfo>>();
  is<Equal<(typeof info)["serverStatus"], ServerStatus | undefined>>();
  is<Equal<ServerStatus["status"], "running" | "stopped" | "error">>();
  is<Equal<ServerStatus["restartCount"], number>>();
  is<Equal<ServerStatus["lastError"], string | undefined>>();
  // @ts-expect-error: not every agent runs as a server
  info.serverStatus.status;

  is<Equal<Awaited<ReturnType<typeof agent.processes.list>>, ProcessInfo[]>>();
  is<Equal<ProcessInfo["kind"], "process" | "agent" | "created">>();
  is<Equal<ProcessInfo["exitCode"], number | undefined>>();
  // @ts-expect-error: a process needs a command
  await agent.processes.create({ args: ["x"] });
  // @ts-expect-error: there is no such owner
  await agent.processes.list({ owner: "nobody" });
  const ran = await agent.processes.run({ command: "true" });
  is<Equal<typeof ran.exitCode, number | null>>();
  const logs = agent.processes.logs("web", { follow: true, signal });
  is<Equal<Item<typeof logs>, LogEntry>>();
  is<Equal<LogEntry["encoding"], "base64">>();
  // @ts-expect-error: all limits are set at once
  await agent.processes.setConfig({ maxOutputBytes: 1 });

  const report = await agent.report();
  is<Equal<typeof report, Report>>();
  const metric = report.metrics?.[0];
  if (metric?.kind === "histogram") is<Equal<typeof metric.value.bounds, number[]>>();
  else if (metric) is<Equal<typeof metric.value, number>>();
}

export async function hub(hub: HubClient, signal: AbortSignal): Promise<void> {
  const page = await hub.sandboxes.list({ liveness: "lost", metadata: { team: "a", gpu: true }, signal });
  is<Equal<(typeof page.sandboxes)[number], Sandbox>>();
  is<Equal<typeof page.nextCursor, string | undefined>>();
  is<Equal<Sandbox["liveness"], "never-reported" | "live" | "lost" | "stopped">>();
  // @ts-expect-error: there is no such liveness
  await hub.sandboxes.list({ liveness: "dead" });
  // @ts-expect-error: a list has no processes
  page.sandboxes[0]?.processes;
  const { token } = await hub.sandboxes.register({ id: "a", metadata: { team: "a" } });
  is<Equal<typeof token, string>>();
  // @ts-expect-error: metadata is text
  await hub.sandboxes.register({ metadata: { cpu: 2 } });
  // @ts-expect-error: a token is given, or `null`
  await hub.report("a", undefined, { status: "running", uptimeSecs: 1, timestamp: "" });
  // @ts-expect-error: a report has a time
  await hub.report("a", token, { status: "running", uptimeSecs: 1 });
  const sandbox = await hub.waitFor("a", ({ processes }) => processes?.["web"]?.status === "running");
  is<Equal<typeof sandbox, SandboxDetails>>();

  const stream = hub.events.stream({ types: ["lost", "recovered"], signal });
  is<Equal<Item<typeof stream>, SandboxEvent | StreamReset>>();
  const beats = hub.events.stream({ beats: true });
  is<Equal<Item<typeof beats>, SandboxEvent | StreamReset | StreamBeats>>();
  for await (const item of beats) {
    if (item.type === "beats") is<Equal<typeof item, StreamBeats>>();
    else if (item.type !== "reset") is<Equal<typeof item.sandboxId, string | undefined>>();
    // @ts-expect-error: there is no such event
    if (item.type === "exploded") return;
  }
  // @ts-expect-error: there is no such event
  hub.events.stream({ types: ["exploded"] });
}

export function errors(error: AnySandbeatError): number | undefined {
  // @ts-expect-error: only an answer has a status
  error.status;
  return error.kind === "api" ? error.status : undefined;
}

export const fetches: Fetch[] = [globalThis.fetch, undiciFetch];

// What both servers speak of is the same, but for what the hub calls unknown because a later agent said it.
type Among<A, B> = A extends B ? Equal<keyof A, keyof B> : false;
is<Among<Agent["schemas"]["Report"], Hub["schemas"]["Report"]>>();
is<Among<Agent["schemas"]["PluginStatus"], Hub["schemas"]["PluginStatus"]>>();
is<Among<Agent["schemas"]["ProcessStatus"], Hub["schemas"]["ProcessStatus"]>>();
is<Equal<Agent["schemas"]["ProcessState"] | "unknown", Hub["schemas"]["ProcessState"]>>();
is<Equal<Agent["schemas"]["PluginState"] | "unknown", Hub["schemas"]["PluginState"]>>();
