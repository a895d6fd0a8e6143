// Waiting for what has to happen, and servers that do as they are told.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** Far above what anything here takes. */
const PATIENCE_MS = 30_000;

/** Asks until there is an answer, which is then returned. */
export async function until<T>(what: string, ask: () => Promise<T> | T): Promise<Exclude<T, false | null | undefined>> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const answer = await ask();
    if (answer) return answer as Exclude<T, false | null | undefined>;
    assert.ok(Date.now() < deadline, `waited ${PATIENCE_MS} ms for ${what}`);
    await new Promise((next) => setTimeout(next, 10));
  }
}

/** What a promise comes to, or an error that says what was waited for. */
export async function within<T>(what: string, promise: Promise<T>): Promise<T> {
  let timer;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${PATIENCE_MS} ms for ${what}`)), PATIENCE_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The next item of an iteration that has one. */
export async function next<T>(iteration: AsyncIterator<T>): Promise<T> {
  const { done, value } = await within("the next item", iteration.next());
  assert.ok(!done, "the iteration is over");
  return value;
}

/** What a promise fails with. */
export async function failure(promise: Promise<unknown>): Promise<Error> {
  const error = await within(
    "the failure",
    promise.then(() => undefined).catch((error: unknown) => error),
  );
  assert.ok(error instanceof Error, "it did not fail");
  return error;
}

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

export interface Fake {
  url: string;
  /** The requests so far. */
  requests: IncomingMessage[];
  close(): void;
}

/** A server that gives each request the next of the answers, and the last one for ever. */
export async function fake(...answers: Answer[]): Promise<Fake> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    answers[Math.min(requests.length, answers.length) - 1]?.(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** An answer in JSON. */
export function answer(status: number, body: unknown, headers: Record<string, string> = {}): Answer {
  return (_, response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
  };
}

/** No answer: the connection breaks. */
export const hangUp: Answer = (request) => void request.socket.destroy();

/** No answer at all. */
export const silence: Answer = () => undefined;

/** A stream of events that stays open unless it is said how it ends. */
export function events(text: string, end: "open" | "end" | "break" = "open"): Answer {
  return (request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(text, () => {
      if (end === "end") response.end();
      // The bytes before it have to arrive.
      if (end === "break") setTimeout(() => request.socket.destroy(), 50);
    });
  };
}
