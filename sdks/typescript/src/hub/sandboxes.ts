// The sandboxes of a fleet, as the hub knows them.

import type { paths } from "../generated/hub.js";
import type { Api } from "../http/contract.js";
import type { CallOptions } from "../options.js";
import type {
  History,
  Liveness,
  NewSandbox,
  RegisteredSandbox,
  RotatedToken,
  Sandbox,
  SandboxDetails,
  SandboxPage,
  SandboxStatus,
} from "./types.js";

export interface SandboxFilter {
  /** Only those that said this last; `pending` before their first report. */
  status?: SandboxStatus | undefined;
  /** Only those that stand so. */
  liveness?: Liveness | undefined;
  /** Only those that should have reported for the first time by now; `false`: only others. */
  overdue?: boolean | undefined;
  /** Only those that are silent while the hub doubts its own network; `false`: only others. */
  suspect?: boolean | undefined;
  /** Only those of which this fails, as their last reports say. */
  failing?: "processes" | "collectors" | "any" | undefined;
  /** Only those that were registered with all of this; `true` for any value. */
  metadata?: Readonly<Record<string, string | true>> | undefined;
  /** Only those with this in their id, name or host name, in any case. */
  search?: string | undefined;
}

export interface SandboxListOptions extends CallOptions, SandboxFilter {
  /** The most in one page; 1,000 when nothing is said, which is the most. */
  limit?: number | undefined;
  /** `nextCursor` of the page before. */
  cursor?: string | undefined;
}

export class Sandboxes {
  readonly #api: Api<paths>;

  constructor(api: Api<paths>) {
    this.#api = api;
  }

  /** One page, in the order of ids. */
  list({ metadata, signal, timeoutMs, ...query }: SandboxListOptions = {}): Promise<SandboxPage> {
    const entries = Object.entries(metadata ?? {}).map(([key, value]) => (value === true ? key : `${key}=${value}`));
    return this.#api.get("/api/v1/sandboxes", { signal, timeoutMs, query: { ...query, metadata: entries } });
  }

  /** Page after page. One that was registered or deleted meanwhile may be there or not; no other is missed or doubled. */
  async *pages(options: SandboxListOptions = {}): AsyncGenerator<SandboxPage, void, undefined> {
    let cursor = options.cursor;
    do {
      const page = await this.list({ ...options, cursor });
      yield page;
      cursor = page.nextCursor;
    } while (cursor !== undefined);
  }

  /** All of them, which are asked for page by page. The signal's reason is thrown when it is aborted. */
  async *all(options: SandboxListOptions = {}): AsyncGenerator<Sandbox, void, undefined> {
    for await (const page of this.pages(options)) yield* page.sandboxes;
  }

  /** One, with everything that its last report said. */
  async get(id: string, options: CallOptions = {}): Promise<SandboxDetails> {
    return (await this.#api.get("/api/v1/sandboxes/{id}", { ...options, in: { id } })).sandbox;
  }

  /** Registers one. Its token is shown this once. */
  register(sandbox: NewSandbox = {}, options: CallOptions = {}): Promise<RegisteredSandbox> {
    return this.#api.post("/api/v1/sandboxes", { ...options, body: sandbox });
  }

  /** Forgets one. */
  delete(id: string, options: CallOptions = {}): Promise<void> {
    return this.#api.delete("/api/v1/sandboxes/{id}", { ...options, in: { id } });
  }

  /** Gives one a new token; the present one goes on for `overlapSecs`, or as long as the hub is configured to let it. */
  rotateToken(
    id: string,
    { overlapSecs, ...options }: CallOptions & { overlapSecs?: number | undefined } = {},
  ): Promise<RotatedToken> {
    const body = overlapSecs === undefined ? {} : { overlapSecs };
    return this.#api.post("/api/v1/sandboxes/{id}/token", { ...options, in: { id }, body });
  }

  /** The highest figures of each minute of the last hour, the oldest first. */
  history(id: string, options: CallOptions = {}): Promise<History> {
    return this.#api.get("/api/v1/sandboxes/{id}/history", { ...options, in: { id } });
  }
}
