// Streams: that they go on over whatever breaks, and end when they should.

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";

import {
  AgentClient,
  ApiError,
  type ClientOptions,
  ConnectionError,
  HubClient,
  ProtocolError,
  TimeoutError,
} from "sandbeat";

import { answer, type Answer, events, failure, fake, hangUp, next, silence, until, within } from "./support.js";

const event = (id: number) => `id: ${id}\nevent: lost\ndata: {"id":${id},"type":"lost","at":"t"}\n\n`;
// So that what breaks is there again at once.
const SOON = "retry: 1\n\n";

async function serving(t: { after(done: () => void): void }, answers: Answer[], options: Partial<ClientOptions> = {}) {
  const server = await fake(...answers);
  t.after(() => server.close());
  const { url, requests } = server;
  return { hub: new HubClient({ url, ...options }), agent: new AgentClient({ url, ...options }), requests };
}

test("a stream goes on after the last event when its connection breaks", async (t) => {
  const { hub, requests } = await serving(t, [
    events(SOON + event(7) + "id: 8\ndata: not yet", "break"),
    hangUp,
    answer(503, {}),
    events(event(8), "end"),
    events(event(9)),
  ]);
  const broken: [string, boolean][] = [];
  let opened = 0;
  const onOpen = () => void (opened += 1);
  const onBroken = (error: Error, ms: number) => void broken.push([error.name, ms >= 0]);
  const stream = hub.events.stream({ types: ["lost", "recovered"], after: 6, onOpen, onBroken });
  const seen = [await next(stream), await next(stream), await next(stream)];
  assert.deepEqual(
    seen,
    [7, 8, 9].map((id) => ({ id, type: "lost", at: "t" })),
  );
  await within("the end", stream.return());
  assert.deepEqual(
    requests.map(({ url, headers }) => [url, headers["last-event-id"]]),
    [
      ["/api/v1/events?type=lost%2Crecovered&after=6", undefined],
      ["/api/v1/events?type=lost%2Crecovered", "7"],
      ["/api/v1/events?type=lost%2Crecovered", "7"],
      ["/api/v1/events?type=lost%2Crecovered", "7"],
      ["/api/v1/events?type=lost%2Crecovered", "8"],
    ],
  );
  assert.equal(opened, 3);
  assert.deepEqual(
    broken.map(([name]) => name),
    ["ConnectionError", "ConnectionError", "ApiError", "ConnectionError"],
  );
});

test("a reset is told, the server's own and where nothing says what was missed", async (t) => {
  const { hub } = await serving(t, [
    events(SOON, "break"),
    events(event(3) + "event: reset\ndata:\n\n" + event(5), "break"),
    events(event(6)),
  ]);
  const stream = hub.events.stream();
  const types = [];
  for (let i = 0; i < 5; i += 1) types.push((await next(stream)).type);
  assert.deepEqual(types, ["reset", "lost", "reset", "lost", "lost"]);
  await stream.return();
});

test("beats come where they are wanted", async (t) => {
  const { hub, requests } = await serving(t, [events('event: beats\ndata: {"sandboxes":[{"id":"a"}]}\n\n')]);
  const stream = hub.events.stream({ sandboxId: "a", beats: true });
  const item = await next(stream);
  assert.ok(item.type === "beats");
  assert.equal(item.sandboxes[0]?.id, "a");
  assert.equal(requests[0]?.url, "/api/v1/sandboxes/a/events?beats=true");
  await stream.return();
});

test("the signal ends a stream without an error, wherever it is", async (t) => {
  const { hub } = await serving(t, [events(SOON + event(1))]);
  for (const signal of [AbortSignal.abort(), AbortSignal.timeout(50)]) {
    const seen = [];
    for await (const { type } of hub.events.stream({ signal })) seen.push(type);
    assert.ok(seen.length <= 1);
    assert.ok(signal.aborted);
  }
  const waits = await serving(t, [events("retry: 30000\n\n", "break")]);
  const controller = new AbortController();
  const options = { signal: controller.signal, onBroken: () => setTimeout(() => controller.abort(), 10) };
  for await (const _ of waits.hub.events.stream(options)) assert.fail("nothing was sent");
  const hangs = await serving(t, [silence]);
  for await (const _ of hangs.hub.events.stream({ signal: AbortSignal.timeout(20) })) assert.fail("nothing was sent");
});

test("leaving a loop ends the connection", async (t) => {
  const { hub, requests } = await serving(t, [events(event(1))]);
  for await (const item of hub.events.stream()) {
    assert.equal(item.type, "lost");
    break;
  }
  const [request] = requests;
  assert.ok(request);
  if (!request.socket.destroyed) await within("the end of the connection", once(request.socket, "close"));
});

test("a refusal is thrown, at the beginning and later", async (t) => {
  const no = answer(401, { message: "the key is wrong" });
  const { hub, requests } = await serving(t, [no]);
  assert.equal(((await failure(hub.events.stream().next())) as ApiError).status, 401);
  assert.equal(requests.length, 1);
  const later = await serving(t, [events(SOON + event(1), "break"), no]);
  const stream = later.hub.events.stream();
  await next(stream);
  assert.equal(((await failure(stream.next())) as ApiError).status, 401);
});

test("what cannot be reached in the first place is not waited for for ever", async (t) => {
  const { hub, requests } = await serving(t, [hangUp], { retries: 1 });
  assert.ok((await failure(hub.events.stream().next())) instanceof ConnectionError);
  assert.equal(requests.length, 2);
  const silent = await serving(t, [silence], { retries: 0, timeoutMs: 50 });
  assert.ok((await failure(silent.hub.events.stream().next())) instanceof TimeoutError);
});

test("a connection on which nothing comes is broken, and comments are something", async (t) => {
  const talks: Answer = (request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" }).write(SOON);
    let left = 10;
    const timer = setInterval(() => {
      if (left-- > 0) response.write(": nothing new\n\n");
      else clearInterval(timer);
    }, 250);
    request.on("close", () => clearInterval(timer));
  };
  const { hub, requests } = await serving(t, [talks, events(event(2))]);
  const errors: Error[] = [];
  const began = performance.now();
  const stream = hub.events.stream({ after: 1, idleTimeoutMs: 2000, onBroken: (error) => void errors.push(error) });
  assert.equal((await next(stream)).type, "lost");
  assert.ok(performance.now() - began >= 4250, "it was kept while comments came");
  assert.ok(errors[0] instanceof TimeoutError && errors.length === 1 && requests.length === 2);
  await stream.return();
});

test("who is slow to look at what came loses nothing", async (t) => {
  const { hub, requests } = await serving(t, [events(event(1) + event(2))]);
  const stream = hub.events.stream({ idleTimeoutMs: 1000 });
  await next(stream);
  // Longer than the connection may be silent.
  await new Promise((later) => setTimeout(later, 1500));
  const second = await next(stream);
  assert.ok("id" in second && second.id === 2);
  assert.equal(requests.length, 1);
  await stream.return();
});

test("what is no stream of events is an error", async (t) => {
  const long = events("data: " + "x".repeat(17 * 1024 * 1024));
  for (const wrong of [answer(200, {}), events("data: {\n\n"), long]) {
    const { hub } = await serving(t, [wrong]);
    assert.ok((await failure(hub.events.stream().next())) instanceof ProtocolError);
  }
});

test("a log goes on where it broke, and ends when the server ends it", async (t) => {
  const line = (n: number) =>
    `event: log\nid: ${n}\ndata: {"sequence":${n},"stream":"stdout","timestampMs":1,"data":"eA==","encoding":"base64"}\n\n`;
  const { agent, requests } = await serving(t, [events(SOON + line(4), "break"), events(line(5), "end")]);
  const seen = [];
  for await (const { sequence } of agent.processes.logs("web", { follow: true, tail: 1, stream: "stdout" })) {
    seen.push(sequence);
  }
  assert.deepEqual(seen, [4, 5]);
  assert.deepEqual(
    requests.map(({ url, headers }) => [url, headers["last-event-id"]]),
    [
      ["/v1/processes/web/logs?stream=stdout&follow=true&tail=1", undefined],
      ["/v1/processes/web/logs?stream=stdout&follow=true", "4"],
    ],
  );
});

test("pauses between attempts grow", async (t) => {
  const { hub } = await serving(t, [events(SOON, "break"), hangUp]);
  const pauses: number[] = [];
  const onBroken = (_: Error, ms: number) => void pauses.push(ms);
  const controller = new AbortController();
  const stream = hub.events.stream({ signal: controller.signal, onBroken });
  const over = stream.next();
  await until("some attempts", () => pauses.length >= 6);
  controller.abort();
  assert.ok((await within("the end", over)).done);
  pauses.slice(0, 6).forEach((ms, i) => assert.ok(ms >= 2 ** i / 2 && ms <= 2 ** i, `${pauses}`));
});
