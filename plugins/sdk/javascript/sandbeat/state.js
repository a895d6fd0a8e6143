/**
 * A small store of the collector's own that survives the end of an instance and the reload of the file.
 *
 * What a `collect` wrote is kept when that call returns, also with an error, and dropped when it traps or is ended.
 */

import { InternalError } from './errors.js';
import { current, text } from './host.js';

/** The key is empty or longer than 128 bytes. Nothing was stored. */
export class BadKey extends InternalError {
  constructor() {
    super('a key of the state is empty or longer than 128 bytes');
  }
}

/** All keys and values together would pass `limit` bytes (64 KiB by default). What was there stays. */
export class Full extends InternalError {
  /** @param {number} limit */
  constructor(limit) {
    super(`the state would pass ${limit} bytes`);
    this.limit = limit;
  }
}

/**
 * The value under a key.
 * @param {string} key
 */
export function get(key) {
  return current().stateGet(text(key, 'a key'));
}

/**
 * Puts a value under a key. Throws `BadKey` or `Full`.
 * @param {string} key
 * @param {Uint8Array} value
 */
export function set(key, value) {
  if (!(value instanceof Uint8Array)) {
    throw new TypeError(`a value has to be a Uint8Array, and is ${String(value)}; see \`setJson\``);
  }
  current().stateSet(text(key, 'a key'), value);
}

/**
 * Forgets a key; nothing happens when it is absent.
 * @param {string} key
 */
export function remove(key) {
  current().stateDelete(text(key, 'a key'));
}

/** All keys, in the order of their bytes. */
export function keys() {
  return current().stateKeys();
}

/**
 * What `setJson` put under a key; `undefined` where there is nothing, or something else.
 * @param {string} key
 * @returns {unknown}
 */
export function getJson(key) {
  try {
    return JSON.parse(new TextDecoder().decode(get(key)));
  } catch {
    return undefined;
  }
}

/**
 * Puts what JSON can express under a key. Throws `BadKey` or `Full`.
 * @param {string} key
 * @param {unknown} value
 */
export function setJson(key, value) {
  set(key, new TextEncoder().encode(JSON.stringify(value)));
}

/**
 * The number that `setJson` put under a key; the default where there is nothing, or something else.
 * @param {string} key
 * @param {number} otherwise
 */
export function getNumber(key, otherwise = 0) {
  const kept = getJson(key);
  return typeof kept === 'number' ? kept : otherwise;
}
