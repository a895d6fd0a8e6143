/** What an author writes, and how it is called: whatever `collect` throws becomes an error that says who must act. */

import { CollectorError, InternalError } from './errors.js';
import * as log from './log.js';
import { Entry, Point } from './metrics.js';

/** @typedef {Iterable<Point | Entry | undefined>} Contribution What `collect` returns; `undefined` adds nothing. */

/**
 * @typedef {object} Collector What it is, what it reports, and how it measures.
 * @property {string} version The collector's own version, such as `1.4.0`.
 * @property {string} summary One sentence for a person: what it measures.
 * @property {readonly import('./metrics.js').Handle[]} reports Everything that it can report.
 * @property {string} [others] Where it can report more than `reports`, because the names come from elsewhere: one
 *   sentence on what.
 * @property {boolean} [fetch] Whether it asks others with `fetch`: the build leaves that out otherwise. The origins are
 *   granted under `[grant] http` in the sidecar.
 * @property {() => Contribution | Promise<Contribution>} collect Measures once. A value that could not be measured is
 *   left out; with nothing at all, throw a `CollectorError`.
 */

/** How many lines of a stack are logged: the agent takes 60 a minute. */
const MOST_CALLS = 12;

/** A line of a stack in a component: `function@file.js:7:3`. */
const ENGINE = /^(?<name>[^@]*)@(?<place>.+:\d+:\d+)$/;

/** The same in Node.js: `    at function (file:///…/file.js:7:3)`. */
const NODE = /^ +at (?:(?<name>.+) \()?(?<place>.+:\d+:\d+)\)?$/;

/** The SDK's files, the generated bindings, and Node.js itself. */
const OWN = /(^|\/)sandbeat\/\w+\.js:|initializer\.js:|^node:/;

/**
 * What `collector.js` has to have as its default export.
 * @param {Collector} definition
 * @returns {Collector}
 */
export function collector(definition) {
  for (const key of /** @type {const} */ (['version', 'summary', 'reports', 'collect'])) {
    if (definition[key] === undefined) throw new TypeError(`the collector has no \`${key}\``);
  }
  return definition;
}

/**
 * Collects once. Rejects with a `CollectorError`; what nobody foresaw is logged with the calls that led to it.
 * @param {Collector} collector
 */
export async function call(collector) {
  try {
    const parts = [...(await collector.collect())].filter((part) => part !== undefined);
    for (const part of parts) {
      if (!(part instanceof Point || part instanceof Entry)) {
        throw new TypeError(`\`collect\` has to return points and metadata, and returned ${String(part)} among them`);
      }
    }
    return parts;
  } catch (error) {
    throw error instanceof CollectorError ? error : unforeseen(error);
  }
}

/**
 * Logs the calls that led to the exception, and makes the error that names it and its place.
 * @param {unknown} error
 */
export function unforeseen(error) {
  const calls = callsOf(error);
  log.error(`${inWords(error)}; the calls that led to it, the first one last:`);
  for (const call of [...new Set(calls)].slice(0, MOST_CALLS)) {
    const times = calls.filter((other) => other === call).length;
    log.error(times > 1 ? `  ${call} (${times} times)` : `  ${call}`);
  }
  if (error instanceof Error && error.cause !== undefined) log.error(`caused by ${withPlace(error.cause)}`);
  return new InternalError(withPlace(error), { cause: error });
}

/** @param {unknown} error */
function withPlace(error) {
  const [place] = callsOf(error);
  return place === undefined ? inWords(error) : `${inWords(error)} (${place})`;
}

/** @param {unknown} error */
function inWords(error) {
  return String(error).replace(/\s+/g, ' ').trim();
}

/**
 * Each call as `file.js:7:3 in function`, the innermost first, without those of the SDK and of the generated bindings.
 * @param {unknown} error
 */
function callsOf(error) {
  if (!(error instanceof Error) || typeof error.stack !== 'string') return [];
  return error.stack.split('\n').flatMap((line) => {
    const { name, place } = ENGINE.exec(line)?.groups ?? NODE.exec(line)?.groups ?? {};
    if (place === undefined || OWN.test(place)) return [];
    return [name ? `${place} in ${name}` : place];
  });
}
