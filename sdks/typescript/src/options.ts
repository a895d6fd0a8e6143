// What both clients are made with, and what each of their calls takes.

/** What is used of `fetch`: any function with its contract will do, such as one that talks to a Unix socket. */
export type Fetch = (url: string, init: FetchInit) => Promise<FetchResponse>;

/** What it is called with. */
export interface FetchInit {
  method: string;
  headers: Record<string, string>;
  body?: string;
  signal: AbortSignal;
  redirect: "manual";
}

/** What is used of its answer. */
export interface FetchResponse {
  readonly ok: boolean;
  readonly status: number;
  readonly type: string;
  readonly headers: { get(name: string): string | null };
  readonly body: FetchBody | null;
}

/** What is used of its answer's body, a stream of bytes. */
export interface FetchBody {
  getReader(): FetchReader;
  cancel(): Promise<void>;
}

/** What is used of such a stream's reader. */
export interface FetchReader {
  read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>;
  cancel(): Promise<void>;
}

/** What both clients are made with. */
export interface ClientOptions {
  /** Where the server is, such as `http://127.0.0.1:2468`; with a path where it is behind a proxy that has it there. */
  url: string | URL;
  /** In place of the global `fetch`. */
  fetch?: Fetch | undefined;
  /** How long a call may take in all, its retries and its answer included; 30,000 ms when nothing is said. */
  timeoutMs?: number | undefined;
  /** How often a call that can be repeated is tried again; 2 when nothing is said. */
  retries?: number | undefined;
}

/** What every call takes. */
export interface CallOptions {
  /** Ends the call, which then throws the signal's reason. */
  signal?: AbortSignal | undefined;
  /** In place of the client's. */
  timeoutMs?: number | undefined;
}

/** What every stream takes. */
export interface StreamOptions {
  /** Ends the stream, which is then over as if nothing more came. */
  signal?: AbortSignal | undefined;
  /** How long nothing may come, not even a comment, until it counts as broken; 45,000 ms when nothing is said. */
  idleTimeoutMs?: number | undefined;
  /** Is told each time that a connection is there. */
  onOpen?: (() => void) | undefined;
  /** Is told each time that an attempt failed or a connection broke, and in how many milliseconds the next one is. */
  onBroken?: ((error: Error, retryInMs: number) => void) | undefined;
}
