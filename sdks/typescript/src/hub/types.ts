// What the hub speaks of, by the names that its users look for. All of it is generated from openapi/hub.json, but for
// what a stream has beside events.

import type { components } from "../generated/hub.js";

type Schemas = components["schemas"];

/** A sandbox as it stands in a list. */
export type Sandbox = Schemas["Sandbox"];
/** A sandbox with everything that its last report said. */
export type SandboxDetails = Schemas["SandboxDetails"];
/** What a sandbox's agent said last. */
export type SandboxAgentInfo = Schemas["AgentInfo"];
/** What a sandbox said of itself last. */
export type SandboxStatus = Schemas["Status"];
/** Whether a sandbox is heard. */
export type Liveness = Schemas["Liveness"];
/** A part of the fleet; `nextCursor` leads to the next. */
export type SandboxPage = Schemas["Sandboxes"];
/** What a registration may say. */
export type NewSandbox = Schemas["Registration"];
/** A sandbox and its token, which is shown this once. */
export type RegisteredSandbox = Schemas["Registered"];
/** A new token, and until when the one before it goes on. */
export type RotatedToken = Schemas["Rotated"];
/** The last hour of a sandbox. */
export type History = Schemas["History"];
export type HistoryPoint = Schemas["HistoryPoint"];

/** The fleet in numbers. */
export type Fleet = Schemas["Fleet"];
/** `GET /health` of the hub. */
export type HubHealth = Schemas["Health"];
/** The hub's answer to a report. */
export type ReportAnswer = Schemas["Taken"];

/** What happened. */
export type SandboxEvent = Schemas["Event"];
export type EventType = Schemas["Kind"];
/** What happened, the newest first; `nextCursor` leads to what is older. */
export type EventPage = Schemas["EventList"];

/** In a stream: events may be missing here. Read anew what is kept of the state. */
export interface StreamReset {
  type: "reset";
}

/** In a stream with `beats`, once a second: the sandboxes that have reported or stand otherwise, as in a list. */
export interface StreamBeats {
  type: "beats";
  sandboxes: Sandbox[];
  /** There are more than are told: read the list. */
  more?: true;
}
