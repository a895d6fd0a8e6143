/** Why a collector has nothing to return: the class says who can do something about it, the message what. */

/** One of the four below. The agent reports its message. */
export class CollectorError extends Error {
  get name() {
    return this.constructor.name;
  }
}

/** The sidecar's `[config]` is wrong. For the operator. */
export class ConfigError extends CollectorError {}

/** A grant is missing. For the operator. */
export class DeniedError extends CollectorError {}

/** What it measures is not there, or not now. */
export class UnavailableError extends CollectorError {}

/** Anything else, such as a file with an unexpected content. For the collector's author. */
export class InternalError extends CollectorError {}
