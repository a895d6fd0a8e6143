// The agent's local API: what goes on in one sandbox, for those inside it.

import { ApiError, SandbeatError, TimeoutError } from "../errors.js";
import type { paths } from "../generated/agent.js";
import { text } from "../http/body.js";
import { Api } from "../http/contract.js";
import { Deadline, pause } from "../http/deadline.js";
import { Transport } from "../http/transport.js";
import type { CallOptions, ClientOptions } from "../options.js";
import { Processes } from "./processes.js";
import type { AgentHealth, AgentInfo, PluginStatus, Reloaded, Report } from "./types.js";

/** How long an agent may take to be there. */
const HEALTHY_MS = 30_000;
/** One question after its health takes no longer. */
const ONE_ASK_MS = 5_000;
const POLL_MS = 100;

export interface AgentClientOptions extends ClientOptions {
  /** The token of `api.token` or `api.token_file`, where one is set. */
  token?: string | undefined;
}

export interface AgentsOptions extends CallOptions {
  /** Asks for versions again that are known. */
  refresh?: boolean | undefined;
}

/** Talks to the agent of one sandbox. */
export class AgentClient {
  /** The coding agents of the sandbox. */
  readonly agents: Agents;
  /** What is supervised, and what is created and run through here. */
  readonly processes: Processes;
  /** The collectors. */
  readonly plugins: Plugins;
  readonly #api: Api<paths>;

  /** Throws a `TypeError` when an option makes no sense. */
  constructor(options: AgentClientOptions) {
    this.#api = new Api(new Transport(options, options.token));
    this.agents = new Agents(this.#api);
    this.processes = new Processes(this.#api);
    this.plugins = new Plugins(this.#api);
  }

  /** Whether the agent beats, and how its reports fare. */
  health(options: CallOptions = {}): Promise<AgentHealth> {
    return this.#api.get("/v1/health", options);
  }

  /**
   * Asks for the agent's health until it is `ok`, for 30 s when `timeoutMs` does not say otherwise, and throws a
   * `TimeoutError` then. A refusal, such as of a wrong token, is thrown at once, since waiting does not change it.
   */
  async waitUntilHealthy({ signal, timeoutMs = HEALTHY_MS }: CallOptions = {}): Promise<AgentHealth> {
    const asked = { method: "GET", path: "/v1/health" };
    let last: unknown;
    const late = () => new TimeoutError(asked, timeoutMs, { waitingFor: "the agent is not healthy", cause: last });
    const deadline = new Deadline(signal, timeoutMs, late);
    try {
      for (;;) {
        // Not tried again by itself: this loop does.
        const call = { signal: deadline.signal, timeoutMs: ONE_ASK_MS, idempotent: false };
        const health = await this.#api.get("/v1/health", call).catch((error: unknown) => {
          if (deadline.signal.aborted || !(error instanceof SandbeatError) || isFinal(error)) throw error;
          last = error;
        });
        if (health?.status === "ok") return health;
        await pause(POLL_MS, deadline.signal);
      }
    } finally {
      deadline.close();
    }
  }

  /** The report as it would be posted now. */
  report(options: CallOptions = {}): Promise<Report> {
    return this.#api.get("/v1/report", options);
  }

  /** The same and the agent's own figures, for Prometheus: in its text format 0.0.4, or as OpenMetrics 1.0. */
  metrics({
    openMetrics = false,
    ...options
  }: CallOptions & { openMetrics?: boolean | undefined } = {}): Promise<string> {
    const accept = openMetrics ? "application/openmetrics-text; version=1.0.0" : "text/plain";
    const call = { ...options, method: "GET", path: "/metrics", accept, idempotent: true };
    return this.#api.transport.send(call, (response) => text(response, call));
  }

  /** Has the configuration read again. `problems` of the `ApiError` names everything that is wrong with it. */
  reload(options: CallOptions = {}): Promise<Reloaded> {
    return this.#api.post("/v1/reload", options);
  }
}

/** The coding agents of a sandbox. */
class Agents {
  readonly #api: Api<paths>;

  constructor(api: Api<paths>) {
    this.#api = api;
  }

  /** All that clients know, installed or not, then others that are configured. */
  async list({ refresh, ...options }: AgentsOptions = {}): Promise<AgentInfo[]> {
    return (await this.#api.get("/v1/agents", { ...options, query: { no_cache: refresh } })).agents;
  }

  /** One, with `serverStatus` where it runs as a shared process. */
  get(id: string, { refresh, ...options }: AgentsOptions = {}): Promise<AgentInfo> {
    return this.#api.get("/v1/agents/{id}", { ...options, in: { id }, query: { no_cache: refresh } });
  }
}

/** The collectors of a sandbox. */
class Plugins {
  readonly #api: Api<paths>;

  constructor(api: Api<paths>) {
    this.#api = api;
  }

  /** By name. */
  async list(options: CallOptions = {}): Promise<PluginStatus[]> {
    return (await this.#api.get("/v1/plugins", options)).plugins;
  }

  get(name: string, options: CallOptions = {}): Promise<PluginStatus> {
    return this.#api.get("/v1/plugins/{name}", { ...options, in: { name } });
  }

  /** Has a collector's files loaded again, well or not (`lastReload`); that may still go on after 10 s. */
  reload(name: string, options: CallOptions = {}): Promise<PluginStatus> {
    return this.#api.post("/v1/plugins/{name}/reload", { ...options, in: { name } });
  }
}

export type { Agents, Plugins };

function isFinal(error: SandbeatError): boolean {
  return error instanceof ApiError && error.status < 500 && error.status !== 429;
}
