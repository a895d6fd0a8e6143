/**
 * Lines for the agent's log. They carry the collector's name; a flood of them is cut.
 *
 * Control characters are escaped, and what is over 1024 bytes is cut off. In a component, `console` writes here, too.
 */

import { current } from './host.js';

/**
 * @typedef {'trace' | 'debug' | 'info' | 'warn' | 'error'} Level How much a line matters. The agent shows `info` and
 * above unless told otherwise.
 */

/**
 * Writes one line.
 * @param {Level} level
 * @param {string} message
 */
export function write(level, message) {
  current().log(level, String(message));
}

/**
 * Every step, for the author.
 * @param {string} message
 */
export function trace(message) {
  write('trace', message);
}

/**
 * What helps to find a fault.
 * @param {string} message
 */
export function debug(message) {
  write('debug', message);
}

/**
 * A change of state, rare.
 * @param {string} message
 */
export function info(message) {
  write('info', message);
}

/**
 * Something is wrong, and the collector copes with it.
 * @param {string} message
 */
export function warn(message) {
  write('warn', message);
}

/**
 * Something is wrong, and a part of the contribution is missing for it.
 * @param {string} message
 */
export function error(message) {
  write('error', message);
}
