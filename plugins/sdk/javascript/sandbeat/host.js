/**
 * Whom the SDK's modules ask: the agent where the collector is a component, a `Sandbox` of `testing.js` elsewhere.
 *
 * @typedef {object} Host The imports of the world `sandbeat:collector/collector`, with this SDK's types and errors.
 * @property {(level: import('./log.js').Level, message: string) => void} log
 * @property {() => string} configJson
 * @property {(key: string) => Uint8Array | undefined} stateGet
 * @property {(key: string, value: Uint8Array) => void} stateSet
 * @property {(key: string) => void} stateDelete
 * @property {() => string[]} stateKeys
 * @property {() => import('./limits.js').Limits} limits
 * @property {() => import('./native.js').Sample} sample
 * @property {(path: string) => Uint8Array} read
 * @property {(path: string, offset: number, length: number) => Uint8Array} readAt
 * @property {(directory: string) => import('./files.js').Entry[]} list
 * @property {(path: string) => import('./files.js').Info} stat
 * @property {() => string[]} grantedFilesystems
 * @property {(path: string) => import('./filesystems.js').Usage} statFilesystem
 * @property {(inodes: readonly number[]) => (import('./processes.js').Owner | undefined)[]} socketOwners
 * @property {(origin: string) => Uint8Array | undefined} certificate
 */

/** @type {Host | undefined} */
let used;

/**
 * Asks this one from now on; gives back the one before.
 * @param {Host | undefined} host
 */
export function use(host) {
  const before = used;
  used = host;
  return before;
}

/** The one to ask. */
export function current() {
  if (used === undefined) {
    throw new TypeError('there is no agent to ask: ask in `collect`, and in a test in `Sandbox.run`');
  }
  return used;
}

/**
 * The value, if it is a string: anything else would end the component instead of throwing.
 * @param {unknown} value
 * @param {string} what
 */
export function text(value, what) {
  if (typeof value !== 'string') throw new TypeError(`${what} has to be a string, and is ${String(value)}`);
  return value;
}
