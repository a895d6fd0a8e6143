// The hub: the fleet, for those who manage it.

import type { Report } from "../agent/types.js";
import { TimeoutError } from "../errors.js";
import type { paths } from "../generated/hub.js";
import { text } from "../http/body.js";
import { Api } from "../http/contract.js";
import { Deadline } from "../http/deadline.js";
import { Transport } from "../http/transport.js";
import type { CallOptions, ClientOptions } from "../options.js";
import { Events, happenings } from "./events.js";
import { Sandboxes } from "./sandboxes.js";
import type { Fleet, HubHealth, ReportAnswer, SandboxDetails } from "./types.js";

/** How long a sandbox is waited for when nobody says. */
const PATIENCE_MS = 60_000;

export interface HubClientOptions extends ClientOptions {
  /** The admin key; a hub without one answers on loopback only. */
  key?: string | undefined;
}

/** Talks to a hub. */
export class HubClient {
  readonly sandboxes: Sandboxes;
  readonly events: Events;
  readonly #api: Api<paths>;

  /** Throws a `TypeError` when an option makes no sense. */
  constructor(options: HubClientOptions) {
    this.#api = new Api(new Transport(options, options.key));
    this.sandboxes = new Sandboxes(this.#api);
    this.events = new Events(this.#api);
  }

  /** Whether the hub answers; wants no key. */
  health(options: CallOptions = {}): Promise<HubHealth> {
    return this.#api.get("/health", { ...options, token: null });
  }

  /** The fleet in numbers. */
  fleet(options: CallOptions = {}): Promise<Fleet> {
    return this.#api.get("/api/v1/fleet", options);
  }

  /** The hub's own figures, for Prometheus, and the fleet's where they are switched on. */
  metrics(options: CallOptions = {}): Promise<string> {
    const call = { ...options, method: "GET", path: "/metrics", accept: "text/plain", idempotent: true };
    return this.#api.transport.send(call, (response) => text(response, call));
  }

  /**
   * Posts a sandbox's report with the sandbox's own token, or with `null` where the hub wants none. It is tried again
   * where `bootId` and `seq` say which report it is, since the hub then takes it once.
   */
  report(
    id: string,
    token: string | null,
    report: Omit<Report, "sandboxId">,
    options: CallOptions = {},
  ): Promise<ReportAnswer> {
    const idempotent = report.bootId !== undefined && report.seq !== undefined;
    const body = { ...report, sandboxId: id };
    return this.#api.post("/api/v1/sandboxes/{id}/status", { ...options, in: { id }, token, idempotent, body });
  }

  /**
   * The sandbox, as soon as it is as the predicate wants it: looked at now, and whenever something happened to it or it
   * has reported. Throws a `TimeoutError` after 60 s when `timeoutMs` does not say otherwise, and an `ApiError` when
   * there is no such sandbox, or not any more.
   */
  async waitFor(
    id: string,
    predicate: (sandbox: SandboxDetails) => boolean,
    { signal, timeoutMs = PATIENCE_MS }: CallOptions = {},
  ): Promise<SandboxDetails> {
    const asked = { method: "GET", path: this.#api.path("/api/v1/sandboxes/{id}", { id }) };
    const waitingFor = "the sandbox is not as it was waited for";
    const deadline = new Deadline(signal, timeoutMs, () => new TimeoutError(asked, timeoutMs, { waitingFor }));
    try {
      // The stream is open before the sandbox is looked at, so that no change falls in between.
      const options = { sandboxId: id, beats: true, signal: deadline.signal };
      for await (const _ of happenings(this.#api, options)) {
        const sandbox = await this.sandboxes.get(id, { signal: deadline.signal });
        if (predicate(sandbox)) return sandbox;
      }
      throw deadline.signal.reason;
    } finally {
      deadline.close();
    }
  }
}
