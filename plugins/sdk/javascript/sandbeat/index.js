/**
 * Write a collector for sandbeat in JavaScript.
 *
 * A collector measures something in a sandbox; the agent calls it at each interval and merges what it returns into the
 * next status report. This is a whole one, `collector.js`:
 *
 *     import { collector, files, Gauge } from './sandbeat/index.js';
 *
 *     const JOBS = new Gauge('queue.length', '{job}', 'Jobs that wait in the queue.');
 *
 *     export default collector({
 *       version: '0.1.0',
 *       summary: 'The length of the job queue.',
 *       reports: [JOBS],
 *       collect: () => [JOBS.value(Number(files.readText('/run/queue/length')))],
 *     });
 *
 * - What it can report: `Gauge`, `Counter`, `Histogram` and `Metadata` are constants that carry the name, the unit and
 *   the meaning, written once and used by both `reports` and `collect`.
 * - What it can reach: `files`, `config`, `state`, `native` and `log`, and for some purposes `filesystems`, `processes`,
 *   `certificates` and `limits`, each bounded by the agent; and `fetch`, where the build enables it.
 * - What can go wrong: the four errors say who must act. A refused or missing file throws the right one by itself; any
 *   other exception is reported as the collector's own fault, with its place. A value that could not be measured is
 *   left out, never made up: what `collect` returns may contain `undefined`.
 * - How it is tested: with Node.js, without WebAssembly. `Sandbox` of `testing.js` stands in for the agent.
 */

export * as certificates from './certificates.js';
export { collector } from './collector.js';
export * as config from './config.js';
export { CollectorError, ConfigError, DeniedError, InternalError, UnavailableError } from './errors.js';
export * as files from './files.js';
export * as filesystems from './filesystems.js';
export * as limits from './limits.js';
export * as log from './log.js';
export { Counter, Distribution, Entry, Gauge, Histogram, Key, Metadata, Point } from './metrics.js';
export * as native from './native.js';
export * as processes from './processes.js';
export * as state from './state.js';
