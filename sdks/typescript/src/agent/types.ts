// What the agent's local API speaks of, by the names that its users look for. All of it is generated from
// openapi/agent.json.

import type { components } from "../generated/agent.js";

type Schemas = components["schemas"];

/** A coding agent: whether it is installed, and `serverStatus` where it runs as a shared process. */
export type AgentInfo = Schemas["AgentInfo"];
/** What a coding agent can do in a session. */
export type AgentCapabilities = Schemas["Capabilities"];
/** The process that a coding agent's sessions share. */
export type ServerStatus = Schemas["ServerStatus"];

/** `GET /v1/health`: whether the agent beats, and how its reports fare. */
export type AgentHealth = Schemas["Health"];
/** How the delivery of reports stands. */
export type Delivery = Schemas["Reports"];

/** A supervised process. */
export type ProcessInfo = Schemas["Process"];
export type ProcessState = Schemas["ProcessState"];
export type ProcessPhase = Schemas["ProcessPhase"];
/** A process to be created. */
export type NewProcess = Schemas["Creation"];
/** A command to be run to its end. */
export type RunRequest = Schemas["RunRequest"];
/** What came of a command. */
export type RunResult = Schemas["RunResult"];
/** The limits on what is created and run, all of them. */
export type ProcessConfig = Schemas["ProcessConfig"];
export type TerminalSize = Schemas["TerminalSize"];
/** A line of a process's output, or a piece of one; see `logBytes` and `logText`. */
export type LogEntry = Schemas["Entry"];
export type LogStream = Schemas["LogStream"];

/** What changed when the configuration was read again. */
export type Reloaded = Schemas["Reloaded"];

/** A status report. */
export type Report = Schemas["Report"];
/** A process, as a report has it. */
export type ProcessStatus = Schemas["ProcessStatus"];
/** A collector. */
export type PluginStatus = Schemas["PluginStatus"];
export type PluginState = Schemas["PluginState"];
/** A metric with the collector that measured it. */
export type ReportedMetric = Schemas["ReportedMetric"];
/** What the sandbox may use, and what of it is in use. */
export type Resources = Schemas["Resources"];
/** What is missing in a report because it was not acceptable. */
export type Rejected = Schemas["Rejected"];
