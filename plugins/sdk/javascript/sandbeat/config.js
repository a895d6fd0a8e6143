/**
 * The `[config]` table of the sidecar, as the operator wrote it.
 *
 * Keys of nested tables are written with dots (`http.timeout`). Each function takes the default for an absent key, and
 * throws a `ConfigError` that names the key where the value is of another type.
 */

import { ConfigError } from './errors.js';
import { current } from './host.js';

/**
 * The whole table; dates and times are strings.
 * @returns {Record<string, unknown>}
 */
export function table() {
  return JSON.parse(current().configJson());
}

/**
 * The value under a key; `undefined` when it is absent.
 * @param {string} key
 * @returns {unknown}
 */
export function get(key) {
  /** @type {unknown} */
  let value = table();
  for (const part of key.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = /** @type {Record<string, unknown>} */ (value)[part];
  }
  return value;
}

/**
 * The string under a key.
 * @template {string | undefined} [T=undefined]
 * @param {string} key
 * @param {T} [otherwise]
 * @returns {string | T}
 */
export function string(key, otherwise) {
  return typed(key, (value) => typeof value === 'string', 'a string', otherwise);
}

/**
 * The whole number under a key.
 * @template {number | undefined} [T=undefined]
 * @param {string} key
 * @param {T} [otherwise]
 * @returns {number | T}
 */
export function integer(key, otherwise) {
  return typed(key, (value) => Number.isSafeInteger(value), 'a whole number', otherwise);
}

/**
 * The number under a key.
 * @template {number | undefined} [T=undefined]
 * @param {string} key
 * @param {T} [otherwise]
 * @returns {number | T}
 */
export function number(key, otherwise) {
  return typed(key, (value) => typeof value === 'number', 'a number', otherwise);
}

/**
 * The boolean under a key.
 * @template {boolean | undefined} [T=undefined]
 * @param {string} key
 * @param {T} [otherwise]
 * @returns {boolean | T}
 */
export function boolean(key, otherwise) {
  return typed(key, (value) => typeof value === 'boolean', '`true` or `false`', otherwise);
}

/**
 * The strings under a key, which may be one string or an array of them.
 * @template {readonly string[] | undefined} [T=undefined]
 * @param {string} key
 * @param {T} [otherwise]
 * @returns {readonly string[] | T}
 */
export function strings(key, otherwise) {
  const value = get(key);
  if (typeof value === 'string') return [value];
  const all = (/** @type {unknown} */ value) => Array.isArray(value) && value.every((one) => typeof one === 'string');
  return typed(key, all, 'a string or an array of strings', otherwise);
}

/**
 * The error for a value that is not what it has to be; `wanted` follows the words `it has to be`.
 * @param {string} key
 * @param {string} wanted
 */
export function wrong(key, wanted) {
  return new ConfigError(`\`${key}\` is ${JSON.stringify(get(key))}; it has to be ${wanted}`);
}

/**
 * @param {string} key
 * @param {(value: unknown) => boolean} fits
 * @param {string} wanted
 * @param {any} otherwise
 */
function typed(key, fits, wanted, otherwise) {
  const value = get(key);
  if (value === undefined) return otherwise;
  if (!fits(value)) throw wrong(key, wanted);
  return value;
}
