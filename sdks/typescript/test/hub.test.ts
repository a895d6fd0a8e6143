// The client of the hub against the hub itself.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { ApiError, type EventStreamOptions, HubClient, type Report, TimeoutError } from "sandbeat";

import { type Running, startAgent, startHub } from "../scripts/binary.mjs";
import { failure, next, until, within } from "./support.js";

const KEY = "an-admin-key-for-the-test";
const CONFIG = `
[hub]
lost_after_intervals = 1
lost_grace = "100ms"
`;
const HUB = { config: CONFIG, env: { SANDBEAT_HUB__ADMIN_KEY: KEY } };

let server: Running;
let hub: HubClient;

before(async () => {
  server = await startHub(HUB);
  hub = new HubClient({ url: server.url, key: KEY });
});

after(() => server.stop());

/** A report of a sandbox that is not heard of for a while after it. */
function report(seq: number, more: Partial<Report> = {}): Omit<Report, "sandboxId"> {
  const now = new Date().toISOString();
  return { status: "running", uptimeSecs: seq, timestamp: now, bootId: "boot", seq, intervalSecs: 3600, ...more };
}

/** A stream that is open, and its first item. */
async function listening(options: EventStreamOptions & { beats?: false }) {
  let onOpen;
  const opened = new Promise<void>((done) => (onOpen = done));
  const stream = hub.events.stream({ ...options, onOpen });
  const first = next(stream);
  await within("the stream", opened);
  return { stream, first };
}

const refusal = async (call: Promise<unknown>) => {
  const error = await failure(call);
  assert.ok(error instanceof ApiError, `${error}`);
  const { status, details } = error;
  return { status, details };
};

test("a hub's health wants no key, all else does", async () => {
  const stranger = new HubClient({ url: server.url });
  const health = await stranger.health();
  assert.equal(health.status, "ok");
  assert.equal(typeof health.version, "string");
  const wrong = new HubClient({ url: server.url, key: "another-key" });
  for (const hub of [stranger, wrong]) {
    assert.equal((await refusal(hub.fleet())).status, 401);
    assert.equal((await refusal(hub.sandboxes.list())).status, 401);
    assert.equal((await refusal(hub.events.stream().next())).status, 401);
  }
});

test("a sandbox is registered, shown, listed, given another token and deleted", async () => {
  const wanted = { id: "one", name: "Number one", image: "python:3", metadata: { team: "a" } };
  const { sandbox, token } = await hub.sandboxes.register(wanted);
  assert.equal(sandbox.liveness, "never-reported");
  const { id, name, image, metadata, status, agentInfo } = await hub.sandboxes.get("one");
  assert.deepEqual({ id, name, image, metadata }, wanted);
  assert.deepEqual([status, agentInfo], ["pending", undefined]);
  const page = await hub.sandboxes.list();
  assert.equal(page.total, 1);
  assert.ok(!JSON.stringify([sandbox, page]).includes(token), "a token is shown once");
  assert.deepEqual(await refusal(hub.sandboxes.register({ id: "one" })), { status: 409, details: undefined });
  assert.deepEqual(await refusal(hub.sandboxes.register({ id: "o n e" })), { status: 400, details: "id" });

  assert.deepEqual(await hub.report("one", token, report(1)), {
    success: true,
    sandboxId: "one",
    accepts: ["delta"],
  });
  assert.equal((await hub.report("one", token, report(1))).duplicate, true);
  const rotated = await hub.sandboxes.rotateToken("one", { overlapSecs: 0 });
  assert.equal((await refusal(hub.report("one", token, report(2)))).status, 401);
  assert.equal((await hub.report("one", rotated.token, report(2))).success, true);
  const again = await hub.sandboxes.rotateToken("one");
  assert.ok(Date.parse(again.previousUntil ?? "") > Date.now());
  assert.equal((await hub.report("one", rotated.token, report(3))).success, true, "for a while");
  assert.equal((await refusal(hub.report("one", KEY, report(4)))).status, 401);
  assert.equal((await refusal(hub.report("one", null, report(4)))).status, 401);

  await hub.sandboxes.delete("one");
  assert.equal((await refusal(hub.sandboxes.delete("one"))).status, 404);
  assert.equal((await refusal(hub.sandboxes.get("one"))).status, 404);
});

test("what a sandbox reports is there, and its last hour", async () => {
  const { token } = await hub.sandboxes.register({ id: "told" });
  const processes = { web: { status: "running", restartCount: 2 } } as const;
  await hub.report("told", token, report(1, { cpuPercent: 12.5, memoryMB: 512, processes, hostname: "h" }));
  const sandbox = await hub.sandboxes.get("told");
  assert.equal(sandbox.liveness, "live");
  assert.deepEqual(
    [sandbox.agentInfo?.hostname, sandbox.agentInfo?.metrics.cpuPercent, sandbox.agentInfo?.metrics.memoryMB],
    ["h", 12.5, 512],
  );
  assert.equal(sandbox.processes?.["web"]?.restartCount, 2);
  const { stepSecs, points } = await hub.sandboxes.history("told");
  assert.equal(stepSecs, 60);
  assert.deepEqual(
    points.map(({ cpuPercent, memoryMB }) => [cpuPercent, memoryMB]),
    [[12.5, 512]],
  );
  assert.deepEqual(await refusal(hub.report("told", token, report(2, { cpuPercent: -1 }))), {
    status: 400,
    details: "cpuPercent",
  });
  await hub.sandboxes.delete("told");
});

test("a fleet is read page by page, whole and in part", async () => {
  const ids = ["p-1", "p-2", "p-3", "p-4", "p-5"];
  for (const id of ids) {
    const metadata: Record<string, string> = id === "p-3" ? { team: "a=b", gpu: "1" } : { team: "c" };
    await hub.sandboxes.register({ id, metadata });
  }
  const listed = async (options: Parameters<typeof hub.sandboxes.all>[0]) => {
    const found = [];
    for await (const { id } of hub.sandboxes.all(options)) found.push(id);
    return found;
  };
  assert.deepEqual(await listed({ search: "P-", limit: 2 }), ids);
  assert.deepEqual(await listed({ metadata: { team: "c" } }), ["p-1", "p-2", "p-4", "p-5"]);
  assert.deepEqual(await listed({ metadata: { team: "a=b", gpu: true } }), ["p-3"]);
  assert.deepEqual(await listed({ liveness: "lost" }), []);
  assert.deepEqual(await listed({ failing: "any" }), []);
  assert.deepEqual(await listed({ search: "p-", overdue: false }), ids);
  assert.deepEqual(await listed({ search: "p-", status: "pending", liveness: "never-reported" }), ids);
  const sizes = [];
  for await (const { sandboxes, total } of hub.sandboxes.pages({ search: "p-", limit: 2 })) {
    sizes.push(sandboxes.length);
    assert.equal(total, 5);
  }
  assert.deepEqual(sizes, [2, 2, 1]);
  const fleet = await hub.fleet();
  assert.equal(fleet.total, 5);
  assert.equal(fleet.liveness.neverReported, 5);
  for (const id of ids) await hub.sandboxes.delete(id);
  assert.match(await hub.metrics(), /^# TYPE sandbeat_hub_\w+ gauge$/m);
});

test("what happens is told as it happens, and afterwards", async () => {
  const { stream, first } = await listening({ types: ["registered", "reported", "deleted"] });
  const { token } = await hub.sandboxes.register({ id: "e-1" });
  await hub.report("e-1", token, report(1));
  await hub.sandboxes.rotateToken("e-1");
  await hub.sandboxes.delete("e-1");
  const seen = [await first, await next(stream), await next(stream)];
  assert.deepEqual(
    seen.map((event) => event.type !== "reset" && [event.sandboxId, event.type]),
    [
      ["e-1", "registered"],
      ["e-1", "reported"],
      ["e-1", "deleted"],
    ],
  );
  const [registered, reported] = seen;
  assert.ok(registered?.type !== "reset" && reported?.type !== "reset");
  const later = hub.events.stream({ sandboxId: "e-1", after: registered?.id });
  assert.deepEqual(await next(later), reported, "also of one that is deleted");
  const { events } = await hub.events.list({ sandboxId: "e-1", types: ["reported", "deleted"] });
  assert.deepEqual(events, [seen[2], seen[1]], "the newest first");
  await Promise.all([stream.return(), later.return()]);

  const all = [];
  for await (const { id } of hub.events.all({ types: ["registered"], limit: 2 })) all.push(id);
  assert.ok(all.length >= 2);
  assert.deepEqual(
    all,
    [...new Set(all)].sort((a, b) => b - a),
    "each once, on whichever page",
  );
});

test("beats are told where they are wanted", async () => {
  const { token } = await hub.sandboxes.register({ id: "beats" });
  const stream = hub.events.stream({ sandboxId: "beats", beats: true, types: ["deleted"] });
  const first = next(stream);
  let seq = 0;
  const beating = setInterval(() => void hub.report("beats", token, report((seq += 1))).catch(() => undefined), 100);
  const beat = await first.finally(() => clearInterval(beating));
  assert.ok(beat.type === "beats");
  assert.deepEqual([beat.sandboxes.length, beat.sandboxes[0]?.id, beat.more], [1, "beats", undefined]);
  await stream.return();
  await hub.sandboxes.delete("beats");
});

test("a sandbox that falls silent is waited for, and is back when it reports", async () => {
  const { token } = await hub.sandboxes.register({ id: "silent" });
  const reported = hub.waitFor("silent", ({ agentInfo }) => agentInfo?.metrics.memoryMB === 7);
  await hub.report("silent", token, report(1, { intervalSecs: 0.2, memoryMB: 7 }));
  assert.equal((await within("its report", reported)).agentInfo?.seq, 1);
  const lost = await hub.waitFor("silent", ({ liveness }) => liveness === "lost");
  assert.equal(lost.liveness, "lost");
  const back = hub.waitFor("silent", ({ liveness }) => liveness === "live");
  await hub.report("silent", token, report(2));
  await within("its recovery", back);
  assert.ok((await failure(hub.waitFor("silent", () => false, { timeoutMs: 50 }))) instanceof TimeoutError);
  const gone = hub.waitFor("silent", () => false);
  // It has to be looked at before it goes.
  const refused = refusal(gone);
  await hub.events.list({ sandboxId: "silent" });
  await hub.sandboxes.delete("silent");
  assert.equal((await refused).status, 404);
});

test("a stream loses nothing while the hub is killed and started again", async (t) => {
  const args = ["--data", "data"];
  const first = await startHub({ ...HUB, args });
  t.after(() => first.stop());
  const hub = new HubClient({ url: first.url, key: KEY });
  const controller = new AbortController();
  const seen: string[] = [];
  let opened = 0;
  const options = { after: 0, signal: controller.signal, onOpen: () => void (opened += 1) };
  const following = (async () => {
    for await (const event of hub.events.stream(options)) {
      seen.push(event.type === "reset" ? event.type : `${event.type} ${event.sandboxId}`);
    }
  })();
  t.after(() => controller.abort());
  await hub.sandboxes.register({ id: "r-1" });
  await until("the first event", () => seen.length === 1);
  await first.stop({ signal: "SIGKILL", keep: true });
  const second = await startHub({ ...HUB, args, folder: first.folder, listen: new URL(first.url).host });
  t.after(() => second.stop());
  await hub.sandboxes.register({ id: "r-2" });
  await until("the second event", () => seen.length === 2);
  assert.deepEqual([seen, opened], [["registered r-1", "registered r-2"], 2]);
  controller.abort();
  await within("the end of the stream", following);
});

test("an agent and its hub, seen from both sides", async () => {
  const { token } = await hub.sandboxes.register({ id: "both" });
  const agent = await startAgent({
    config: '[processes.keeper]\ncommand = ["sleep", "1000"]\n',
    env: { AGENT_SERVER_URL: server.url, AGENT_SANDBOX_ID: "both", AGENT_TOKEN: token, AGENT_REPORT_INTERVAL: "1s" },
  });
  try {
    const live = await hub.waitFor("both", ({ processes }) => processes?.["keeper"]?.phase === "ready");
    assert.equal(live.liveness, "live");
    const stopped = hub.waitFor("both", ({ liveness }) => liveness === "stopped");
    await agent.stop();
    assert.equal((await within("its end", stopped)).status, "stopped");
  } finally {
    await agent.stop();
  }
});
