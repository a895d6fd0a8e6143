// One request: its URL, who asks, how long it may take, how often it is tried, and which error comes of it.
//
// The key is kept here and goes into one header. It is checked when it is given, because `fetch` shows a header that it
// does not take in its error, and no key may ever be seen there.

import { type Asked, ConnectionError, SandbeatError, TimeoutError, ApiError } from "../errors.js";
import type { ClientOptions, Fetch, FetchInit, FetchResponse } from "../options.js";
import { refusal } from "./body.js";
import { Deadline, pause } from "./deadline.js";
import { backoff, isPassing } from "./retry.js";

const TIMEOUT_MS = 30_000;
const RETRIES = 2;

/** What a parameter may be; several of a list are sent one by one, and `undefined` is left out. */
export type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

/** A request. */
export interface Call extends Asked {
  readonly query?: Query | undefined;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly accept?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** In place of the client's; `null` for none. */
  readonly token?: string | null | undefined;
  /** Whether it may be tried again, since a second time changes nothing. */
  readonly idempotent?: boolean | undefined;
  /** Taken for done when it is not there any more after a connection broke. */
  readonly goneIsDone?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
}

export class Transport {
  readonly timeoutMs: number;
  readonly retries: number;
  readonly #base: string;
  readonly #token: string | undefined;
  readonly #fetch: Fetch;

  /** Throws a `TypeError` when an option makes no sense. */
  constructor(options: ClientOptions, token: string | undefined) {
    this.#base = base(options.url);
    this.#token = token === undefined ? undefined : checked(token);
    this.#fetch = options.fetch ?? ((url, init) => globalThis.fetch(url, init));
    this.timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
    this.retries = options.retries ?? RETRIES;
    if (!(this.timeoutMs > 0)) throw new TypeError("timeoutMs must be more than 0");
    if (!(this.retries >= 0)) throw new TypeError("retries must be 0 or more");
  }

  /** Asks, as often as it takes and may be, and reads the answer, which counts as a part of it. */
  async send<T>(call: Call, read: (response: FetchResponse) => Promise<T>): Promise<T> {
    const timeoutMs = call.timeoutMs ?? this.timeoutMs;
    let last: unknown;
    const deadline = new Deadline(call.signal, timeoutMs, () => new TimeoutError(call, timeoutMs, { cause: last }));
    let broken = false;
    try {
      for (let failures = 0; ;) {
        try {
          return await this.#attempt(call, deadline.signal, read);
        } catch (error) {
          if (deadline.signal.aborted) throw deadline.signal.reason;
          last = error;
          // An attempt of which nothing was heard may have done it.
          if (broken && call.goneIsDone && error instanceof ApiError && error.status === 404) return undefined as T;
          broken ||= error instanceof ConnectionError;
          failures += 1;
          if (!call.idempotent || failures > this.retries || !isPassing(error)) throw error;
          const asked = error instanceof ApiError ? error.retryAfterMs : undefined;
          const ms = asked ?? backoff(failures);
          // Who would have to wait longer than the call may take learns that at once.
          if (ms >= deadline.leftMs) throw error;
          await pause(ms, deadline.signal);
        }
      }
    } finally {
      deadline.close();
    }
  }

  /** Asks once, for an answer that goes on for as long as the signal lets it. */
  async open(call: Call, signal: AbortSignal): Promise<FetchResponse> {
    try {
      return await this.#attempt(call, signal, (response) => Promise.resolve(response));
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    }
  }

  /** The URL of a route as a browser's script would open it: a websocket's, with the token as a parameter. */
  webSocketUrl(path: string): string {
    const url = new URL(this.#base + path);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    if (this.#token !== undefined) url.searchParams.set("access_token", this.#token);
    return url.href;
  }

  async #attempt<T>(call: Call, signal: AbortSignal, read: (response: FetchResponse) => Promise<T>): Promise<T> {
    const headers: Record<string, string> = { accept: call.accept ?? "application/json", ...call.headers };
    const token = call.token === undefined ? this.#token : call.token === null ? undefined : checked(call.token);
    if (token !== undefined) headers["authorization"] = `Bearer ${token}`;
    // A redirect is not followed: the token would go to a host that nobody named.
    const init: FetchInit = { method: call.method, headers, signal, redirect: "manual" };
    if (call.body !== undefined) {
      headers["content-type"] = "application/json";
      init.body = JSON.stringify(call.body);
    }
    try {
      // A browser's own is no method of anything.
      const fetch = this.#fetch;
      const response = await fetch(this.#base + call.path + search(call.query), init);
      if (response.type === "opaqueredirect" || (response.status >= 300 && response.status < 400)) {
        void response.body?.cancel().catch(() => undefined);
        throw new ConnectionError(call, "it is redirected, which is not followed; give the client the right `url`");
      }
      if (!response.ok) throw await refusal(response, call);
      return await read(response);
    } catch (error) {
      if (error instanceof SandbeatError || signal.aborted) throw error;
      throw new ConnectionError(call, `the connection failed${reason(error)}`, { cause: error });
    }
  }
}

/** A part of a path. Throws a `TypeError` for what would make it another path. */
export function segment(name: string, value: string): string {
  if (/^\.{0,2}$/.test(value)) throw new TypeError(`${name} must not be empty, "." or ".."`);
  return encodeURIComponent(value);
}

function base(given: string | URL): string {
  const url = new URL(given);
  if (url.protocol !== "http:" && url.protocol !== "https:") throw new TypeError("url must be of http or https");
  if (url.username || url.password) throw new TypeError("url must not contain a user or a password");
  if (url.search || url.hash) throw new TypeError("url must not contain parameters or a fragment");
  return url.origin + url.pathname.replace(/\/+$/, "");
}

function checked(token: string): string {
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new TypeError("a key or token has to be visible ASCII characters, without spaces or line ends");
  }
  return token;
}

function search(query: Query = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined) continue;
    for (const one of typeof value === "object" ? value : [value]) parameters.append(name, String(one));
  }
  const text = parameters.toString();
  return text && `?${text}`;
}

/** What a platform says of a connection that failed: Node's `fetch` says it in the cause. */
function reason(error: unknown): string {
  const { cause } = error instanceof Error ? error : {};
  const said = cause instanceof Error ? cause.message || (cause as { code?: string }).code : undefined;
  return said ? `: ${said}` : "";
}
