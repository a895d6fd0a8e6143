// Calls: what they throw, when they are tried again, how they end, and what they never show.

import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";

import {
  AgentClient,
  type AnySandbeatError,
  ApiError,
  type ClientOptions,
  ConnectionError,
  type Fetch,
  HubClient,
  isSandbeatError,
  ProtocolError,
  SandbeatError,
  TimeoutError,
} from "sandbeat";

import { answer, type Answer, events, failure, fake, hangUp, silence, within } from "./support.js";

const TOKEN = "a-very-secret-token";

/** A hub and an agent client of a server that answers so, and the requests that it has got. */
async function serving(t: { after(done: () => void): void }, answers: Answer[], options: Partial<ClientOptions> = {}) {
  const server = await fake(...answers);
  t.after(() => server.close());
  const hub = new HubClient({ url: server.url, key: TOKEN, ...options });
  const agent = new AgentClient({ url: server.url, token: TOKEN, ...options });
  return { hub, agent, requests: server.requests, url: server.url };
}

/** Where nobody listens. */
async function nobody() {
  const server = await fake();
  server.close();
  return server.url;
}

const HEALTHY = answer(200, { status: "ok" });

test("a problem of the agent becomes an error with all that it says", async (t) => {
  const problem = {
    type: "urn:sandbeat:error:bad_configuration",
    title: "Bad configuration",
    status: 422,
    detail: "mend what `problems` names",
    problems: ["one", "two"],
  };
  const { agent } = await serving(t, [answer(422, problem, { "content-type": "application/problem+json" })]);
  const error = await failure(agent.reload());
  assert.ok(error instanceof ApiError && error instanceof SandbeatError);
  const { kind, name, status, code, title, detail, details, type, problems, method, path } = error;
  assert.deepEqual([kind, name, method, path], ["api", "ApiError", "POST", "/v1/reload"]);
  assert.deepEqual({ type, title, status, detail, problems }, problem);
  assert.deepEqual([code, details], ["bad_configuration", undefined]);
  assert.equal(error.message, "POST /v1/reload: 422 mend what `problems` names");
});

test("an error of the hub becomes the same error", async (t) => {
  const body = { code: 400, message: "limit: 0 is not from 1 to 1000", details: "limit" };
  const { hub } = await serving(t, [answer(400, body)]);
  const error = await failure(hub.sandboxes.list({ limit: 0 }));
  assert.ok(error instanceof ApiError);
  const { status, code, detail, details, type, title, problems } = error;
  assert.deepEqual(
    { status, code, detail, details },
    { status: 400, code: "400", detail: body.message, details: "limit" },
  );
  assert.deepEqual({ type, title, problems }, { type: undefined, title: undefined, problems: [] });
  assert.equal(error.message, "GET /api/v1/sandboxes: 400 limit: 0 is not from 1 to 1000");
});

test("what says nothing that is known is an error all the same", async (t) => {
  const page: Answer = (_, response) =>
    void response.writeHead(404, { "content-type": "text/html" }).end("<h1>no</h1>");
  const much: Answer = (_, response) => void response.writeHead(404).end("x".repeat(1 << 20));
  const { hub } = await serving(t, [page, answer(404, null), answer(404, ["x"]), answer(404, { code: {} }), much]);
  for (let i = 0; i < 5; i += 1) {
    const error = await failure(hub.fleet());
    assert.ok(error instanceof ApiError);
    assert.deepEqual([error.status, error.code, error.detail], [404, "404", undefined]);
  }
});

test("what can be repeated is tried again, and what cannot is not", async (t) => {
  const full = answer(503, { code: 503, message: "full" });
  const { hub, agent, requests } = await serving(t, [hangUp, full, answer(200, { total: 1 })]);
  assert.deepEqual(await hub.fleet(), { total: 1 });
  assert.equal(requests.length, 3);

  for (const broken of [hangUp, full]) {
    const posts = await serving(t, [broken]);
    for (const call of [
      () => posts.hub.sandboxes.register(),
      () => posts.agent.processes.create({ command: "true" }),
      () => posts.agent.processes.run({ command: "true" }),
      () => posts.agent.processes.restart("web"),
      () => posts.hub.report("a", TOKEN, { status: "running", uptimeSecs: 1, timestamp: "2026-11-21T12:00:00Z" }),
    ]) {
      posts.requests.length = 0;
      assert.ok((await failure(call())) instanceof SandbeatError);
      assert.equal(posts.requests.length, 1);
    }
  }
  assert.ok(agent);
});

test("a report that says which one it is can be repeated", async (t) => {
  const { hub, requests } = await serving(t, [hangUp, answer(200, { success: true, sandboxId: "a" })]);
  const report = { status: "running", uptimeSecs: 1, timestamp: "2026-11-21T12:00:00Z", bootId: "b", seq: 1 } as const;
  assert.deepEqual(await hub.report("a", "of-its-own", report), { success: true, sandboxId: "a" });
  assert.equal(requests.length, 2);
  assert.equal(requests[1]?.headers.authorization, "Bearer of-its-own");
});

test("a call is tried again only so often", async (t) => {
  const { hub, requests, url } = await serving(t, [answer(502, {})], { retries: 1 });
  assert.equal(((await failure(hub.fleet())) as ApiError).status, 502);
  assert.equal(requests.length, 2);
  await failure(new HubClient({ url, retries: 0 }).fleet());
  assert.equal(requests.length, 3);
  for (const status of [400, 401, 404, 409, 500]) {
    const final = await serving(t, [answer(status, {})]);
    assert.equal(((await failure(final.hub.fleet())) as ApiError).status, status);
    assert.equal(final.requests.length, 1, `${status}`);
  }
});

test("Retry-After is waited for, and is not where the call would be over", async (t) => {
  const later = (secs: string) => answer(429, { detail: "later" }, { "retry-after": secs });
  const { agent, requests } = await serving(t, [later("1"), HEALTHY]);
  const before = performance.now();
  assert.equal((await agent.health()).status, "ok");
  assert.ok(performance.now() - before >= 990);
  assert.equal(requests.length, 2);

  const never = await serving(t, [later("3600")]);
  const error = await failure(never.agent.health());
  assert.ok(error instanceof ApiError);
  assert.equal(error.retryAfterMs, 3_600_000);
  assert.equal(never.requests.length, 1);
});

test("one that is not there any more after a connection broke was deleted", async (t) => {
  const gone = answer(404, { message: "there is no such sandbox" });
  const { hub } = await serving(t, [hangUp, gone]);
  await hub.sandboxes.delete("a");
  const other = await serving(t, [gone]);
  assert.equal(((await failure(other.hub.sandboxes.delete("a"))) as ApiError).status, 404);
});

test("a server that is not there is a connection error with its cause", async () => {
  const error = await failure(new AgentClient({ url: await nobody(), retries: 0 }).health());
  assert.ok(error instanceof ConnectionError);
  assert.match(error.message, /^GET \/v1\/health: the connection failed: .*ECONNREFUSED/);
  assert.ok(error.cause instanceof Error);
});

test("a call takes no longer than it may, wherever it hangs", async (t) => {
  const halfway: Answer = (_, response) => {
    response.writeHead(200, { "content-type": "application/json", "content-length": "100" });
    response.write("{");
  };
  for (const hanging of [silence, halfway]) {
    const { hub } = await serving(t, [hanging], { timeoutMs: 100 });
    const error = await failure(hub.fleet());
    assert.ok(error instanceof TimeoutError);
    assert.deepEqual([error.kind, error.timeoutMs], ["timeout", 100]);
    assert.equal(((await failure(hub.fleet({ timeoutMs: 50 }))) as TimeoutError).timeoutMs, 50);
  }
  const { hub } = await serving(t, [hangUp], { timeoutMs: 300, retries: 1000 });
  const error = await failure(hub.fleet());
  assert.ok(error instanceof TimeoutError || error instanceof ConnectionError, "retries count as well");
});

test("an abort throws the signal's reason, wherever the call is", async (t) => {
  const reason = new Error("enough");
  const { hub, agent } = await serving(t, [silence]);
  for (const call of [
    (signal: AbortSignal) => hub.fleet({ signal }),
    (signal: AbortSignal) => agent.waitUntilHealthy({ signal }),
    (signal: AbortSignal) => hub.sandboxes.register({}, { signal }),
    (signal: AbortSignal) => hub.sandboxes.all({ signal }).next(),
    (signal: AbortSignal) => hub.waitFor("a", () => true, { signal }),
    (signal: AbortSignal) => agent.processes.logs("a", { signal }).next(),
  ]) {
    assert.equal(await failure(call(AbortSignal.abort(reason))), reason);
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 20);
    assert.equal(await failure(call(controller.signal)), reason);
  }
  const waits = await serving(t, [answer(503, {}, { "retry-after": "20" })]);
  const controller = new AbortController();
  setTimeout(() => controller.abort(reason), 100);
  assert.equal(await failure(waits.hub.fleet({ signal: controller.signal })), reason, "also between two attempts");
  assert.equal((await failure(hub.fleet({ signal: AbortSignal.timeout(10) }))).name, "TimeoutError");
});

test("what is left of a call lets go of the caller's signal", async (t) => {
  const { hub } = await serving(t, [answer(200, {})]);
  const { signal } = new AbortController();
  let listeners = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => (listeners++, add(...args));
  signal.removeEventListener = (...args: Parameters<typeof remove>) => (listeners--, remove(...args));
  await hub.fleet({ signal });
  assert.equal(listeners, 0);
});

test("a redirect is not followed", async (t) => {
  const other = await fake(HEALTHY);
  t.after(() => other.close());
  const { agent } = await serving(t, [answer(307, {}, { location: `${other.url}/v1/health` })], { retries: 0 });
  assert.match((await failure(agent.health())).message, /redirected/);
  assert.equal(other.requests.length, 0);
});

test("an answer that is not JSON is an error of its own", async (t) => {
  const { hub, requests } = await serving(t, [(_, response) => void response.end("<html>")]);
  const error = await failure(hub.fleet());
  assert.ok(error instanceof ProtocolError);
  assert.equal(requests.length, 1);
});

test("errors are told apart by their kind", async (t) => {
  const { hub } = await serving(t, [answer(404, { message: "no" })]);
  const error = await failure(hub.fleet());
  const say = (error: AnySandbeatError): string => {
    switch (error.kind) {
      case "api":
        return `${error.status}`;
      case "timeout":
        return `${error.timeoutMs}`;
      case "connection":
      case "protocol":
        return error.message;
    }
  };
  assert.ok(isSandbeatError(error));
  assert.equal(say(error), "404");
  assert.ok(!isSandbeatError(new Error()));
});

test("neither key nor token is ever shown", async (t) => {
  const shown = (value: unknown) => inspect(value, { depth: 10, showHidden: true }) + JSON.stringify(value);
  const { hub, agent } = await serving(t, [answer(401, { message: "no" }), hangUp], { retries: 0 });
  for (const call of [() => hub.fleet(), () => hub.fleet(), () => agent.health()]) {
    const error = await failure(call());
    assert.ok(!shown(error).includes(TOKEN), shown(error));
  }
  assert.ok(!shown([hub, agent, hub.sandboxes, agent.processes]).includes(TOKEN));
  for (const bad of [`${TOKEN}\n`, ` ${TOKEN}`, `${TOKEN}ä`]) {
    for (const make of [
      () => new HubClient({ url: "http://127.0.0.1", key: bad }),
      () => new AgentClient({ url: "http://127.0.0.1", token: bad }),
    ]) {
      assert.throws(make, (error: Error) => error instanceof TypeError && !shown(error).includes(TOKEN));
    }
    const report = { status: "running", uptimeSecs: 1, timestamp: "" } as const;
    const error = await failure(hub.report("a", bad, report));
    assert.ok(!shown(error).includes(TOKEN), shown(error));
  }
});

test("a fetch that is given is called as a function", async (t) => {
  const own = function (this: unknown, ...[url, init]: Parameters<Fetch>) {
    assert.equal(this, undefined, "a browser's does not take another `this`");
    return globalThis.fetch(url, init);
  };
  const { hub } = await serving(t, [answer(200, { total: 0 })], { fetch: own });
  assert.equal((await hub.fleet()).total, 0);
});

test("requests are made as they should be", async (t) => {
  const { hub, agent, requests, url } = await serving(t, [answer(200, { sandboxes: [], total: 0, agents: [] })]);
  await hub.sandboxes.list({
    metadata: { team: "a b&c", gpu: true },
    search: "ä",
    liveness: "lost",
    suspect: false,
    failing: "any",
    limit: 5,
  });
  await new AgentClient({ url: `${url}/behind/a/proxy/` }).agents.get("a/b?c#d", { refresh: true });
  await hub.health();
  await agent.processes.input("web", Uint8Array.of(0, 255));
  const lines = requests.map(({ method, url, headers }) => [method, url, headers.authorization]);
  assert.deepEqual(lines, [
    [
      "GET",
      "/api/v1/sandboxes?search=%C3%A4&liveness=lost&suspect=false&failing=any&limit=5&metadata=team%3Da+b%26c&metadata=gpu",
      `Bearer ${TOKEN}`,
    ],
    ["GET", "/behind/a/proxy/v1/agents/a%2Fb%3Fc%23d?no_cache=true", undefined],
    ["GET", "/health", undefined],
    ["POST", "/v1/processes/web/input", `Bearer ${TOKEN}`],
  ]);
  for (const id of ["", ".", ".."]) {
    assert.ok((await failure(agent.processes.get(id))) instanceof TypeError);
    assert.ok((await failure(hub.sandboxes.delete(id))) instanceof TypeError, "it would be another route");
  }
  assert.equal(requests.length, 4);
});

test("options that make no sense are refused", () => {
  const make = (options: ClientOptions) => () => new HubClient(options);
  for (const url of ["", "127.0.0.1:80", "ftp://h/", "http://user:pass@h/", "http://h/?a=b", "http://h/#a"]) {
    assert.throws(make({ url }), TypeError, url);
  }
  assert.throws(make({ url: "http://h", timeoutMs: 0 }), TypeError);
  assert.throws(make({ url: "http://h", retries: -1 }), TypeError);
});

test("a page follows the other", async (t) => {
  const page = (ids: string[], nextCursor?: string) =>
    answer(200, { sandboxes: ids.map((id) => ({ id })), nextCursor });
  const { hub, requests } = await serving(t, [page(["a", "b"], "b"), page(["c"])]);
  const ids = [];
  for await (const { id } of hub.sandboxes.all({ limit: 2 })) ids.push(id);
  assert.deepEqual(ids, ["a", "b", "c"]);
  assert.deepEqual(
    requests.map(({ url }) => url),
    ["/api/v1/sandboxes?limit=2", "/api/v1/sandboxes?limit=2&cursor=b"],
  );
});

test("waiting for health goes on until it is there, and not for ever", async (t) => {
  const { agent } = await serving(t, [hangUp, answer(503, {}), answer(200, { status: "starting" }), HEALTHY]);
  assert.equal((await agent.waitUntilHealthy()).status, "ok");
  const down = new AgentClient({ url: await nobody() });
  const error = await failure(down.waitUntilHealthy({ timeoutMs: 1000 }));
  assert.ok(error instanceof TimeoutError);
  assert.ok(error.cause instanceof ConnectionError, "it says what was in the way");
  const refused = await serving(t, [answer(401, { detail: "no" })]);
  assert.equal(((await failure(refused.agent.waitUntilHealthy())) as ApiError).status, 401);
  assert.equal(refused.requests.length, 1);
});

test("a wait ends when the sandbox is as it should be, whenever that comes", async (t) => {
  const sandbox = (liveness: string) => answer(200, { sandbox: { id: "a", liveness } });
  let asked = 0;
  const server = await fake((request, response) => {
    if (request.url?.includes("/events")) {
      events('event: lost\ndata: {"sandboxId":"a"}\n\n')(request, response);
    } else {
      asked += 1;
      sandbox(asked === 1 ? "live" : "lost")(request, response);
    }
  });
  t.after(() => server.close());
  const hub = new HubClient({ url: server.url });
  const found = await within(
    "the sandbox",
    hub.waitFor("a", ({ liveness }) => liveness === "lost"),
  );
  assert.deepEqual([found.liveness, asked], ["lost", 2]);
  const late = await failure(hub.waitFor("a", () => false, { timeoutMs: 100 }));
  assert.ok(late instanceof TimeoutError);
  assert.match(late.message, /not as it was waited for within 100 ms/);
});
