// A stream of events that goes on over broken connections: each new connection continues after the last event that
// came, and pauses that grow, with chance in them, lie between attempts. Before a stream has been open once it fails as
// any other request does, so that a wrong address or key is not waited on for ever.

import { ApiError, type Asked, ConnectionError, ProtocolError, SandbeatError, TimeoutError } from "../errors.js";
import { Deadline, pause } from "../http/deadline.js";
import { backoff } from "../http/retry.js";
import type { Query, Transport } from "../http/transport.js";
import type { FetchReader, StreamOptions } from "../options.js";
import { EventParser, type Message, TooLong } from "./parser.js";

/** The servers send a comment every 15 s when there is nothing else. */
const IDLE_MS = 45_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
/** Nobody's `Retry-After` is obeyed for longer. */
const LONGEST_WAIT_MS = 5 * 60_000;
/** A connection that has lasted so long was a good one, whatever came. */
const GOOD_MS = 10_000;

/** Which stream. */
export interface Source {
  readonly path: string;
  /** The parameters; `lastEventId` is empty while nothing has come. */
  readonly query: (lastEventId: string) => Query;
  /** Whether the server ends the stream when there is nothing more to come. */
  readonly hasEnd: boolean;
}

/** What happens: a connection, or an event in it. */
export type Happening =
  | { readonly kind: "open"; readonly isFirst: boolean; readonly lastEventId: string }
  | { readonly kind: "message"; readonly message: Message };

/**
 * Follows a stream until it ends, where it has an end, or until the signal is aborted, which is an end as well.
 *
 * Throws an `ApiError` when the server will not have it, a `ProtocolError` when what comes is no stream of events, and a
 * `ConnectionError` or `TimeoutError` when it could not be opened in the first place.
 */
export async function* follow(
  transport: Transport,
  source: Source,
  options: StreamOptions,
): AsyncGenerator<Happening, void, undefined> {
  const asked: Asked = { method: "GET", path: source.path };
  const state = { lastEventId: "", failures: 0, isFirst: true, retryMs: FIRST_PAUSE_MS };
  while (!options.signal?.aborted) {
    const began = performance.now();
    let failure: Error;
    try {
      yield* connection(transport, source, options, state);
      if (source.hasEnd) return;
      failure = new ConnectionError(asked, "the server ended the stream");
    } catch (error) {
      if (options.signal?.aborted) return;
      if (!(error instanceof SandbeatError) || !canGoOn(error)) throw error;
      failure = error;
    }
    if (performance.now() - began > GOOD_MS) state.failures = 0;
    state.failures += 1;
    if (state.isFirst && state.failures > transport.retries) throw failure;
    const wanted = failure instanceof ApiError ? (failure.retryAfterMs ?? 0) : 0;
    const ms = Math.max(Math.min(wanted, LONGEST_WAIT_MS), backoff(state.failures, state.retryMs, LONGEST_PAUSE_MS));
    options.onBroken?.(failure, ms);
    // The loop looks at the signal.
    await pause(ms, options.signal).catch(() => undefined);
  }
}

interface State {
  lastEventId: string;
  /** In a row. */
  failures: number;
  /** Whether no connection was there yet. */
  isFirst: boolean;
  retryMs: number;
}

async function* connection(
  transport: Transport,
  source: Source,
  options: StreamOptions,
  state: State,
): AsyncGenerator<Happening, void, undefined> {
  const { lastEventId } = state;
  const idleMs = options.idleTimeoutMs ?? IDLE_MS;
  const call = {
    method: "GET",
    path: source.path,
    query: source.query(lastEventId),
    accept: "text/event-stream",
    headers: lastEventId === "" ? undefined : { "last-event-id": lastEventId },
  };
  let waitsMs = transport.timeoutMs;
  const late = () => new TimeoutError(call, waitsMs, { waitingFor: "nothing came" });
  const deadline = new Deadline(options.signal, waitsMs, late);
  let reader: FetchReader | undefined;
  try {
    const response = await transport.open(call, deadline.signal);
    reader = response.body?.getReader();
    const type = response.headers.get("content-type") ?? "";
    if (!reader || !/^text\/event-stream\b/i.test(type)) {
      throw new ProtocolError(call, `the answer is no stream of events, but ${type || "of no type"}`);
    }
    deadline.restart(Infinity);
    const { isFirst } = state;
    state.isFirst = false;
    options.onOpen?.();
    yield { kind: "open", isFirst, lastEventId };
    const parser = new EventParser(lastEventId);
    waitsMs = idleMs;
    for (;;) {
      // Only the server's time counts, not what is done with what came.
      deadline.restart(idleMs);
      const { done, value } = await reader.read().catch(broken(call, deadline.signal));
      deadline.restart(Infinity);
      if (done || !value) return;
      for (const message of parser.push(value)) {
        if (options.signal?.aborted) return;
        state.failures = 0;
        state.lastEventId = parser.lastEventId;
        yield { kind: "message", message };
      }
      state.lastEventId = parser.lastEventId;
      state.retryMs = Math.min(parser.retryMs ?? state.retryMs, LONGEST_PAUSE_MS);
    }
  } catch (error) {
    throw error instanceof TooLong ? new ProtocolError(call, error.message) : error;
  } finally {
    deadline.close();
    // Also when nobody wants more of it: this ends the connection.
    void reader?.cancel().catch(() => undefined);
  }
}

function broken(asked: Asked, signal: AbortSignal): (cause: unknown) => never {
  return (cause) => {
    throw signal.aborted ? signal.reason : new ConnectionError(asked, "the connection broke", { cause });
  };
}

/** Whether a later attempt may go better. */
function canGoOn(error: SandbeatError): boolean {
  if (error instanceof ApiError) return error.status >= 500 || error.status === 429 || error.status === 408;
  return error instanceof ConnectionError || error instanceof TimeoutError;
}
