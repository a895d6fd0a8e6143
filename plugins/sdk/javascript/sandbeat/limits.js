/** What this collector may use, by its sidecar: for those that do their work in pieces. */

import { current as host } from './host.js';

/**
 * @typedef {object} Limits Who passes one of these is ended, or has points rejected. Sizes are in bytes, times in
 *   milliseconds, as `performance.now()` counts them.
 * @property {number} memory All linear memories and tables together, and what the instance costs the host.
 * @property {number} timeout Wall clock for one call.
 * @property {number} cpu CPU for one call.
 * @property {number} output What it may cost to take one answer out of the guest.
 * @property {number} metrics Metrics of one collect.
 * @property {number} metadata Metadata entries of one collect.
 * @property {number} attributes Attributes of one metric.
 * @property {number} series Different pairs of name and attributes within an hour.
 * @property {number} state Keys and values in the state.
 * @property {number} fileCalls Calls of `files`, `filesystems` and `processes` in one call.
 * @property {number} fileBytes What `files` hands over in one call.
 * @property {number} httpRequests HTTP requests in one call.
 * @property {number} httpBytes Bodies of all HTTP answers in one call.
 * @property {number} httpTimeout One HTTP exchange.
 */

/**
 * Those of a sidecar that sets none.
 * @type {Readonly<Limits>}
 */
export const DEFAULTS = {
  memory: 32 * 1024 * 1024,
  timeout: 1000,
  cpu: 200,
  output: 1024 * 1024,
  metrics: 1000,
  metadata: 64,
  attributes: 16,
  series: 2000,
  state: 64 * 1024,
  fileCalls: 1000,
  fileBytes: 16 * 1024 * 1024,
  httpRequests: 16,
  httpBytes: 4 * 1024 * 1024,
  httpTimeout: 5000,
};

/** Those in force for this call. */
export function current() {
  return host().limits();
}
