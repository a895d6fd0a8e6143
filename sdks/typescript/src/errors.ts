// What goes wrong. All errors of this package are a `SandbeatError`, and `kind` says which one; what an `AbortSignal` of
// the caller ends is its reason instead. No error ever carries a key or a token.

/** Whose fault it is: the server said no, cannot be reached, takes too long, or answers what it should not. */
export type ErrorKind = "api" | "connection" | "timeout" | "protocol";

/** The request that an error is about. */
export interface Asked {
  /** In upper case. */
  readonly method: string;
  /** The path, without host and parameters. */
  readonly path: string;
}

/** The base of all errors of this package. */
export abstract class SandbeatError extends Error {
  abstract readonly kind: ErrorKind;
  /** In upper case. */
  readonly method: string;
  /** The path that was asked for, without host and parameters. */
  readonly path: string;

  constructor(asked: Asked, message: string, options?: ErrorOptions) {
    super(`${asked.method} ${asked.path}: ${message}`, options);
    this.method = asked.method;
    this.path = asked.path;
  }
}

/** What an error's body says; absent is what it does not say. */
export interface Problem {
  /** What the agent calls the error, such as `process_not_found`; the HTTP status as text where it has no name. */
  readonly code: string;
  /** One line, the same for the same type; of the agent. */
  readonly title: string | undefined;
  /** What is wrong and what to do about it, for a person. */
  readonly detail: string | undefined;
  /** The path of the field that it is about, where it is about one; of the hub. */
  readonly details: string | undefined;
  /** The URI of the kind of problem, such as `urn:sandbeat:error:process_not_found`; of the agent. */
  readonly type: string | undefined;
  /** Everything that was found at once, where that is more than `detail` says. */
  readonly problems: readonly string[];
}

/** The server answered, and said no. */
export class ApiError extends SandbeatError implements Problem {
  override readonly name = "ApiError";
  override readonly kind = "api";
  /** The HTTP status. */
  readonly status: number;
  readonly code: string;
  readonly title: string | undefined;
  readonly detail: string | undefined;
  readonly details: string | undefined;
  readonly type: string | undefined;
  readonly problems: readonly string[];
  /** When to ask again at the earliest, in milliseconds, as `Retry-After` says. */
  readonly retryAfterMs: number | undefined;

  constructor(asked: Asked, status: number, problem: Problem, retryAfterMs?: number) {
    super(asked, `${status} ${problem.detail ?? problem.title ?? "without an explanation"}`);
    this.status = status;
    this.code = problem.code;
    this.title = problem.title;
    this.detail = problem.detail;
    this.details = problem.details;
    this.type = problem.type;
    this.problems = problem.problems;
    this.retryAfterMs = retryAfterMs;
  }
}

/** The server could not be reached, or the connection broke. `cause` is what `fetch` said. */
export class ConnectionError extends SandbeatError {
  override readonly name = "ConnectionError";
  override readonly kind = "connection";
}

/** It took longer than it may. `cause` is the last thing that went wrong until then, where something did. */
export class TimeoutError extends SandbeatError {
  override readonly name = "TimeoutError";
  override readonly kind = "timeout";
  /** How long it might take, in milliseconds. */
  readonly timeoutMs: number;

  constructor(asked: Asked, timeoutMs: number, options?: ErrorOptions & { waitingFor?: string }) {
    super(asked, `${options?.waitingFor ?? "no whole answer"} within ${timeoutMs} ms`, options);
    this.timeoutMs = timeoutMs;
  }
}

/** An answer is not what it has to be: not JSON, not events, or longer than anything that makes sense. */
export class ProtocolError extends SandbeatError {
  override readonly name = "ProtocolError";
  override readonly kind = "protocol";
}

/** Any of the errors, told apart by `kind`. */
export type AnySandbeatError = ApiError | ConnectionError | TimeoutError | ProtocolError;

/** Whether an error is one of this package's, so that `switch (error.kind)` covers all of them. */
export function isSandbeatError(error: unknown): error is AnySandbeatError {
  return error instanceof SandbeatError;
}
