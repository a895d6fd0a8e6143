// What a process has written.

import { json } from "../http/body.js";
import { segment, type Transport } from "../http/transport.js";
import type { CallOptions, StreamOptions } from "../options.js";
import { ProtocolError } from "../errors.js";
import { follow } from "../stream/follow.js";
import { decode } from "./base64.js";
import type { LogEntry, LogStream } from "./types.js";

/** Which entries of a log. */
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
  transport: Transport,
  id: string,
  options: LogOptions,
): AsyncGenerator<LogEntry, void, undefined> {
  const { stream, tail, since, signal, timeoutMs } = options;
  const path = `/v1/processes/${segment("id", id)}/logs`;
  const asked = { method: "GET", path };
  if (!options.follow) {
    const call = { ...asked, query: { stream, tail, since }, idempotent: true, signal, timeoutMs };
    const { entries } = (await transport.send(call, (response) => json(response, call))) as { entries: LogEntry[] };
    yield* entries;
    return;
  }
  // What was skipped at the beginning was skipped: after that, nothing is.
  const query = (seen: string) => ({ stream, since, follow: true, tail: seen === "" ? tail : undefined });
  for await (const happening of follow(transport, { path, query, hasEnd: true }, options)) {
    if (happening.kind !== "message" || happening.message.event !== "log") continue;
    let entry: LogEntry;
    try {
      entry = JSON.parse(happening.message.data) as LogEntry;
    } catch (cause) {
      throw new ProtocolError(asked, "an entry is not JSON", { cause });
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
