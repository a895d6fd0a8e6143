// What happened to the fleet: page by page, and as it happens.

import { ProtocolError } from "../errors.js";
import type { paths } from "../generated/hub.js";
import type { Api } from "../http/contract.js";
import type { CallOptions, StreamOptions } from "../options.js";
import { follow, type Happening } from "../stream/follow.js";
import type { EventPage, EventType, SandboxEvent, StreamBeats, StreamReset } from "./types.js";

export interface EventFilter {
  /** Only this sandbox's. */
  sandboxId?: string | undefined;
  /** Only these kinds. */
  types?: readonly EventType[] | undefined;
}

export interface EventListOptions extends CallOptions, EventFilter {
  /** The most in one page; 100 when nothing is said, 1,000 at most. */
  limit?: number | undefined;
  /** `nextCursor` of the page before. */
  cursor?: string | undefined;
}

export interface EventStreamOptions extends StreamOptions, EventFilter {
  /** Begins after the event of this number; from now on when nothing is said. */
  after?: number | undefined;
  /** Once a second, the sandboxes that have reported or stand otherwise. */
  beats?: boolean | undefined;
}

export class Events {
  readonly #api: Api<paths>;

  constructor(api: Api<paths>) {
    this.#api = api;
  }

  /** One page, the newest first. */
  list({ sandboxId, types, limit, cursor, ...call }: EventListOptions = {}): Promise<EventPage> {
    const query = { type: types?.join(","), limit, cursor };
    if (sandboxId === undefined) return this.#api.get("/api/v1/events", { ...call, query });
    return this.#api.get("/api/v1/sandboxes/{id}/events", { ...call, query, in: { id: sandboxId } });
  }

  /** All that are kept, the newest first. */
  async *all(options: EventListOptions = {}): AsyncGenerator<SandboxEvent, void, undefined> {
    let cursor = options.cursor;
    do {
      const page = await this.list({ ...options, cursor });
      yield* page.events;
      cursor = page.nextCursor;
    } while (cursor !== undefined);
  }

  /**
   * What happens, as it happens. It is asked for when the first item is.
   *
   * A connection that breaks is made again and goes on after the last event; where the hub does not keep that any more,
   * or none had come yet, a `reset` says that events may be missing. The signal ends the iteration without an error.
   * Throws an `ApiError` when the hub refuses.
   */
  stream(
    options: EventStreamOptions & { beats: true },
  ): AsyncGenerator<SandboxEvent | StreamReset | StreamBeats, void, undefined>;
  stream(
    options?: EventStreamOptions & { beats?: false | undefined },
  ): AsyncGenerator<SandboxEvent | StreamReset, void, undefined>;
  async *stream(
    options: EventStreamOptions = {},
  ): AsyncGenerator<SandboxEvent | StreamReset | StreamBeats, void, undefined> {
    for await (const happening of happenings(this.#api, options)) {
      if (happening.kind === "message") yield item(happening);
      else if (isBlind(happening, options.after)) yield { type: "reset" };
    }
  }
}

/** The stream with its connections. */
export function happenings(api: Api<paths>, options: EventStreamOptions): AsyncGenerator<Happening, void, undefined> {
  const { sandboxId, types, after, beats } = options;
  const path =
    sandboxId === undefined ? api.path("/api/v1/events") : api.path("/api/v1/sandboxes/{id}/events", { id: sandboxId });
  const query = (seen: string) => ({ type: types?.join(","), beats, after: seen === "" ? after : undefined });
  return follow(api.transport, { path, query, hasEnd: false }, options);
}

/** Whether a connection does not go on where the one before it ended, since nothing had said where that is. */
function isBlind(happening: Happening & { kind: "open" }, after: number | undefined): boolean {
  return !happening.isFirst && happening.lastEventId === "" && after === undefined;
}

function item({ message }: Happening & { kind: "message" }): SandboxEvent | StreamReset | StreamBeats {
  if (message.event === "reset") return { type: "reset" };
  let data: unknown;
  try {
    data = JSON.parse(message.data);
  } catch (cause) {
    throw new ProtocolError({ method: "GET", path: "/api/v1/events" }, "an event is not JSON", { cause });
  }
  return message.event === "beats" ? { ...(data as Omit<StreamBeats, "type">), type: "beats" } : (data as SandboxEvent);
}
