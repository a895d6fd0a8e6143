/** What the agent itself measured for the report that is being made. */

import { current as host } from './host.js';

/**
 * @typedef {object} Process A process that the agent supervises.
 * @property {string} name Its name in the configuration.
 * @property {string} status `running`, `stopped` or `error`.
 * @property {number} [pid] Its process id while it runs.
 * @property {number} restartCount Starts after the first one.
 */

/**
 * @typedef {object} Sample The sandbox at one moment. What could not be measured is absent.
 * @property {string} sandboxId The sandbox's id at the control plane.
 * @property {string} hostname The host name.
 * @property {number} uptimeSecs Seconds since the agent started, from a monotonic clock.
 * @property {number} [cpuPercent] Used CPU, in percent of what the sandbox may use.
 * @property {number} [cpuLimitCores] How many cores the sandbox may use.
 * @property {number} [memoryBytes] The working set: memory in use without inactive file pages.
 * @property {number} [memoryLimitBytes] How much memory the sandbox may use.
 * @property {number} [sessionCount] Established inbound connections on the configured session ports.
 * @property {readonly Process[]} processes All supervised processes, by name.
 */

/** The newest sample. */
export function current() {
  return host().sample();
}
