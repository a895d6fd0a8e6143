/**
 * The agent behind the component's imports. The only file that knows the bindings, which componentize-js makes of
 * `wit/` while it builds; it is imported in a component only.
 */

import * as certificates from 'sandbeat:collector/certificates@0.1.0';
import * as config from 'sandbeat:collector/config@0.1.0';
import * as files from 'sandbeat:collector/files@0.1.0';
import * as filesystems from 'sandbeat:collector/filesystems@0.1.0';
import * as limits from 'sandbeat:collector/limits@0.1.0';
import * as log from 'sandbeat:collector/log@0.1.0';
import * as native from 'sandbeat:collector/native@0.1.0';
import * as processes from 'sandbeat:collector/processes@0.1.0';
import * as state from 'sandbeat:collector/state@0.1.0';

import { Denied, NotFound, TooLarge, Unreadable, WrongType } from './files.js';
import * as ofProcesses from './processes.js';
import { BadKey, Full } from './state.js';

/** @type {import('./host.js').Host} */
export const agent = {
  log: (level, message) => log.write(level, message),
  configJson: () => config.json(),
  stateGet: (key) => state.get(key),
  stateSet: (key, value) => attempt(() => state.set(key, value), stateError),
  stateDelete: (key) => state['delete'](key),
  stateKeys: () => state.keys(),
  limits: () => {
    const { timeout, cpu, httpTimeout, ...rest } = limits.current();
    const others = Object.entries(rest).map(([name, value]) => [name, Number(value)]);
    const times = { timeout: milliseconds(timeout), cpu: milliseconds(cpu), httpTimeout: milliseconds(httpTimeout) };
    return { ...Object.fromEntries(others), ...times };
  },
  sample: () => {
    const { uptimeSecs, memoryBytes, memoryLimitBytes, ...rest } = native.current();
    return {
      ...rest,
      uptimeSecs: Number(uptimeSecs),
      memoryBytes: optional(memoryBytes),
      memoryLimitBytes: optional(memoryLimitBytes),
    };
  },
  read: (path) => attempt(() => files.read(path), fileError(path)),
  readAt: (path, offset, length) => attempt(() => files.readAt(path, BigInt(offset), length), fileError(path)),
  list: (directory) => attempt(() => files.list(directory), fileError(directory)),
  stat: (path) => {
    const { kind, size, modified } = attempt(() => files.stat(path), fileError(path));
    return { kind, size: Number(size), modified: modified === undefined ? undefined : milliseconds(modified) };
  },
  grantedFilesystems: () => filesystems.granted(),
  statFilesystem: (path) => {
    const usage = attempt(() => filesystems.stat(path), fileError(path, 'filesystems'));
    return {
      size: Number(usage.size),
      free: Number(usage.free),
      available: Number(usage.available),
      inodes: optional(usage.inodes),
      inodesFree: optional(usage.inodesFree),
      readOnly: usage.readOnly,
    };
  },
  socketOwners: (inodes) => attempt(() => processes.socketOwners(BigUint64Array.from(inodes, BigInt)), processError),
  certificate: (origin) => certificates.shown(origin),
};

/** @param {bigint} nanoseconds */
function milliseconds(nanoseconds) {
  return Number(nanoseconds) / 1e6;
}

/** @param {bigint | undefined} value */
function optional(value) {
  return value === undefined ? undefined : Number(value);
}

/**
 * What the import answers; an error of its own is made one of the SDK's.
 * @template T, E
 * @param {() => T} ask
 * @param {(payload: E) => Error} translate
 */
function attempt(ask, translate) {
  try {
    return ask();
  } catch (error) {
    if (typeof error === 'object' && error !== null && 'payload' in error) {
      throw translate(/** @type {E} */ (error.payload));
    }
    throw error;
  }
}

/**
 * @param {string} path
 * @param {string} [grant]
 */
function fileError(path, grant) {
  return (/** @type {files.FileError} */ error) => {
    switch (error.tag) {
      case 'denied':
        return new Denied(path, grant);
      case 'not-found':
        return new NotFound(path);
      case 'wrong-type':
        return new WrongType(path);
      case 'too-large':
        return new TooLarge(path, Number(error.val));
      case 'io':
        return new Unreadable(path, error.val);
    }
  };
}

/** @param {processes.ProcessError} error */
function processError(error) {
  switch (error.tag) {
    case 'denied':
      return new ofProcesses.Denied();
    case 'too-many':
      return new ofProcesses.TooMany(Number(error.val));
    case 'io':
      return new ofProcesses.Unreadable(error.val);
  }
}

/** @param {state.StateError} error */
function stateError(error) {
  return error.tag === 'full' ? new Full(Number(error.val)) : new BadKey();
}
