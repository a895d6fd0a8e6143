// What a process has written.

import { ProtocolError } from "../errors.js";
import type { paths } from "../generated/agent.js";
import type { Api } from "../http/contract.js";
import type { CallOptions, StreamOptions } from "../options.js";
import { follow } from "../stream/follow.js";
import { decode } from "./base64.js";
import type { LogEntry, LogStream } from "./types.js";

/**
 * Which entries of a log. `timeoutMs` is of one that is not followed; what `StreamOptions` has, but for the signal, is of
 * one that is.
 */
export interface LogOptions extends CallOptions, StreamOptions {
  /** Only what was written there; everything when nothing is said. */
  stream?: LogStream | undefined;
  /** Only the last so many. */
  tail?: number | undefined;
  /** Only those with a greater `sequence`. */
  since?: number | undefined;
  /** Goes on with what comes, until the process has ended for good and all of its output was there. */
  follow?: boolean | undefined;
}

export async function* logs(
  api: Api<paths>,
  id: string,
  options: LogOptions,
): AsyncGenerator<LogEntry, void, undefined> {
  const { stream, tail, since, signal, timeoutMs } = options;
  if (!options.follow) {
    const call = { in: { id }, query: { stream, tail, since }, signal, timeoutMs };
    yield* (await api.get("/v1/processes/{id}/logs", call)).entries;
    return;
  }
  const path = api.path("/v1/processes/{id}/logs", { id });
  // What was skipped at the beginning was skipped: after that, nothing is.
  const query = (seen: string) => ({ stream, since, follow: true, tail: seen === "" ? tail : undefined });
  for await (const happening of follow(api.transport, { path, query, hasEnd: true }, options)) {
    if (happening.kind !== "message" || happening.message.event !== "log") continue;
    let entry: LogEntry;
    try {
      entry = JSON.parse(happening.message.data) as LogEntry;
    } catch (cause) {
      throw new ProtocolError({ method: "GET", path }, "an entry is not JSON", { cause });
    }
    yield entry;
  }
}

/** The bytes of an entry, as they were written. */
export function logBytes(entry: LogEntry): Uint8Array {
  return decode(entry.data);
}

/** An entry as text, with its line's end where it had one; what is no UTF-8 is replaced. */
export function logText(entry: LogEntry): string {
  return new TextDecoder().decode(logBytes(entry));
}
