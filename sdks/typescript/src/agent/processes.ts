// The processes of a sandbox: what is configured, what is created and what is run through the agent.

import type { paths } from "../generated/agent.js";
import type { Api } from "../http/contract.js";
import type { CallOptions } from "../options.js";
import { encode } from "./base64.js";
import { type LogOptions, logs } from "./logs.js";
import { openTerminal, type Terminal, type TerminalOptions } from "./terminal.js";
import type { LogEntry, NewProcess, ProcessConfig, ProcessInfo, RunRequest, RunResult, TerminalSize } from "./types.js";

/** How long the agent waits for what was asked for when nobody says. */
const WAIT_MS = 2_000;
/** How long a command may run when neither it nor the agent's limits say otherwise. */
const LONGEST_RUN_MS = 5 * 60_000;

export interface WaitOptions extends CallOptions {
  /** How long the agent waits until it is done; 2,000 ms when nothing is said, 60,000 at most. */
  waitMs?: number | undefined;
}

export class Processes {
  readonly #api: Api<paths>;

  constructor(api: Api<paths>) {
    this.#api = api;
  }

  /** Those that are configured by name, then those that were created in the order of that. */
  async list(options: CallOptions & { owner?: "system" | "user" | undefined } = {}): Promise<ProcessInfo[]> {
    const { owner, ...call } = options;
    return (await this.#api.get("/v1/processes", { ...call, query: { owner } })).processes;
  }

  get(id: string, options: CallOptions = {}): Promise<ProcessInfo> {
    return this.#api.get("/v1/processes/{id}", { ...options, in: { id } });
  }

  /** Creates a process and starts it. */
  create(process: NewProcess, options: CallOptions = {}): Promise<ProcessInfo> {
    return this.#api.post("/v1/processes", { ...options, body: process });
  }

  /** Forgets a created process that has ended, with its output. */
  delete(id: string, options: CallOptions = {}): Promise<void> {
    return this.#api.delete("/v1/processes/{id}", { ...options, in: { id } });
  }

  /** Starts a process where it does not run. What is then known comes after `waitMs` at the latest, here as below. */
  start(id: string, options: WaitOptions = {}): Promise<ProcessInfo> {
    return this.#api.post("/v1/processes/{id}/start", { ...this.#waiting(options), in: { id } });
  }

  /** Stops a process and all that it has started, as its configuration says how. */
  stop(id: string, options: WaitOptions = {}): Promise<ProcessInfo> {
    return this.#api.post("/v1/processes/{id}/stop", { ...this.#waiting(options), in: { id }, idempotent: true });
  }

  /** Stops a process where it runs, and starts it. */
  restart(id: string, options: WaitOptions = {}): Promise<ProcessInfo> {
    return this.#api.post("/v1/processes/{id}/restart", { ...this.#waiting(options), in: { id } });
  }

  /** Kills a process and all that it has started. */
  kill(id: string, options: WaitOptions = {}): Promise<ProcessInfo> {
    return this.#api.post("/v1/processes/{id}/kill", { ...this.#waiting(options), in: { id }, idempotent: true });
  }

  /** Runs a command to its end, or to its timeout. The call may take so long and the client's `timeoutMs`. */
  run(request: RunRequest, options: CallOptions = {}): Promise<RunResult> {
    const timeoutMs = options.timeoutMs ?? (request.timeoutMs || LONGEST_RUN_MS) + this.#api.transport.timeoutMs;
    return this.#api.post("/v1/processes/run", { ...options, timeoutMs, body: request });
  }

  /** Writes to a process's input or terminal, and closes its input then where that is wanted. */
  input(
    id: string,
    data: string | Uint8Array,
    options: CallOptions & { close?: boolean | undefined } = {},
  ): Promise<{ bytesWritten: number }> {
    const { close = false, ...call } = options;
    const content = typeof data === "string" ? { data, encoding: "utf8" } : { data: encode(data), encoding: "base64" };
    return this.#api.post("/v1/processes/{id}/input", { ...call, in: { id }, body: { ...content, close } });
  }

  /** A process's terminal, for who wants to see and type at once; it is open when this resolves. */
  terminal(id: string, options: TerminalOptions = {}): Promise<Terminal> {
    return openTerminal(this.#api, id, options);
  }

  /** Gives a process's terminal another size. */
  resize(id: string, size: TerminalSize, options: CallOptions = {}): Promise<TerminalSize> {
    const call = { ...options, in: { id }, body: size, idempotent: true };
    return this.#api.post("/v1/processes/{id}/terminal/resize", call);
  }

  /**
   * What a process has written, entry by entry; with `follow` also what comes. It is asked for when the first entry is.
   *
   * With `follow` a connection that breaks is made again where it was, and the signal ends the iteration without an
   * error; without it, the signal's reason is thrown.
   */
  logs(id: string, options: LogOptions = {}): AsyncGenerator<LogEntry, void, undefined> {
    return logs(this.#api, id, options);
  }

  /** The limits on what is created and run. */
  config(options: CallOptions = {}): Promise<ProcessConfig> {
    return this.#api.get("/v1/processes/config", options);
  }

  /** Sets all of the limits, until the agent ends, and gives what is then in force. */
  setConfig(config: ProcessConfig, options: CallOptions = {}): Promise<ProcessConfig> {
    return this.#api.post("/v1/processes/config", { ...options, body: config, idempotent: true });
  }

  #waiting({ waitMs, timeoutMs, signal }: WaitOptions) {
    const most = timeoutMs ?? (waitMs ?? WAIT_MS) + this.#api.transport.timeoutMs;
    return { signal, timeoutMs: most, query: { waitMs } };
  }
}
