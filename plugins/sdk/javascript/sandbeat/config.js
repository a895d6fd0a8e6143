/**
 * The `[config]` table of the sidecar, as the operator wrote it.
 *
 * Keys of nested tables are written with dots (`http.timeout`). Each function takes the default for an absent key, and
 * throws a `ConfigError` that names the key where the value is of another type.
 */

import { ConfigError } from './errors.js';
import { current } from './host.js';

/** Longer words are near none. */
const MOST_LETTERS = 64;

/**
 * The whole table; dates and times are strings.
 * @returns {Record<string, unknown>}
 */
export function table() {
  return JSON.parse(current().configJson());
}

/**
 * Refuses every key that is not among these, so that nobody takes one that he mistyped for one that holds. What is below
 * a key that is named here is for the collector to look at. The `ConfigError` names the key, the nearest one and all
 * that there are.
 * @param {...string} known
 */
export function only(...known) {
  refuseOthers(table(), '', known);
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

/**
 * @param {Record<string, unknown>} settings
 * @param {string} above
 * @param {string[]} known
 */
function refuseOthers(settings, above, known) {
  for (const [name, value] of Object.entries(settings)) {
    const key = above + name;
    if (!name.includes('.') && known.includes(key)) continue;
    // One with a dot in it is no path.
    if (name.includes('.') || !known.some((other) => other.startsWith(`${key}.`))) throw unknown(above, name, known);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new ConfigError(`\`${key}\` is ${JSON.stringify(value)}; it has to be a table`);
    }
    refuseOthers(/** @type {Record<string, unknown>} */ (value), `${key}.`, known);
  }
}

/**
 * @param {string} above
 * @param {string} name
 * @param {string[]} known
 */
function unknown(above, name, known) {
  const key = above + (name === '' || name.includes('.') ? JSON.stringify(name) : name);
  if (known.length === 0) return new ConfigError(`\`${key}\` is an unknown key; this collector has none`);
  const beside = known.filter((other) => other.startsWith(above)).map((other) => other.slice(above.length));
  const near = nearest(
    name,
    beside.map((other) => other.replace(/\..*/, '')),
  );
  const meant = near === undefined ? '' : `did you mean \`${above}${near}\`? `;
  return new ConfigError(`\`${key}\` is an unknown key; ${meant}known here: ${known.join(', ')}`);
}

/**
 * The known word that is nearest to a misspelt one, if one is near enough to be meant.
 * @param {string} word
 * @param {string[]} known
 */
function nearest(word, known) {
  if (word.length > MOST_LETTERS) return undefined;
  const far = known.map((other) => ({ other, distance: distanceOf(word, other) }));
  const near = far.filter(({ other, distance }) => distance <= Math.floor(Math.max(word.length, other.length) / 3) + 1);
  near.sort((a, b) => a.distance - b.distance);
  return near[0]?.other;
}

/**
 * How many letters have to be added, left out, changed or swapped with the next one.
 * @param {string} word
 * @param {string} other
 */
function distanceOf(word, other) {
  let [twoAbove, above] = [/** @type {number[]} */ ([]), Array.from({ length: other.length + 1 }, (_, at) => at)];
  for (let i = 0; i < word.length; i++) {
    const row = [i + 1];
    for (let j = 0; j < other.length; j++) {
      let least = Math.min(above[j] + Number(word[i] !== other[j]), above[j + 1] + 1, row[j] + 1);
      if (i > 0 && j > 0 && word[i] === other[j - 1] && word[i - 1] === other[j]) {
        least = Math.min(least, twoAbove[j - 1] + 1);
      }
      row.push(least);
    }
    [twoAbove, above] = [above, row];
  }
  return above[other.length];
}
