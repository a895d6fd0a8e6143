// A typed client for the hub of sandbeat and for the local API of its agent.

export { AgentClient } from "./agent/client.js";
export type { AgentClientOptions, Agents, AgentsOptions, Plugins } from "./agent/client.js";
export { logBytes, logText } from "./agent/logs.js";
export type { LogOptions } from "./agent/logs.js";
export type { Terminal, TerminalOptions } from "./agent/terminal.js";
export type { Processes, WaitOptions } from "./agent/processes.js";
export type * from "./agent/types.js";
export { ApiError, ConnectionError, isSandbeatError, ProtocolError, SandbeatError, TimeoutError } from "./errors.js";
export type { AnySandbeatError, ErrorKind } from "./errors.js";
export { HubClient } from "./hub/client.js";
export type { HubClientOptions } from "./hub/client.js";
export type { EventFilter, EventListOptions, Events, EventStreamOptions } from "./hub/events.js";
export type { SandboxFilter, SandboxListOptions, Sandboxes } from "./hub/sandboxes.js";
export type * from "./hub/types.js";
export type {
  CallOptions,
  ClientOptions,
  Fetch,
  FetchBody,
  FetchInit,
  FetchReader,
  FetchResponse,
  StreamOptions,
} from "./options.js";
