/**
 * A sandbox for a collector's tests: the agent's stand-in in Node.js.
 *
 *     const sandbox = new Sandbox({ files: { '/run/queue/length': '3' }, config: { name: 'mail' } });
 *     assert.deepEqual(await sandbox.collect(queue), [JOBS.value(3, NAME.is('mail'))]);
 *
 * What a test does not put in is not there: no grant, no config, no state.
 */

import { call } from './collector.js';
import { Denied, MOST_BYTES, NotFound, TooLarge, WrongType } from './files.js';
import { use } from './host.js';
import { DEFAULTS } from './limits.js';
import { Metadata, Point } from './metrics.js';
import * as ofProcesses from './processes.js';
import { BadKey, Full } from './state.js';

/** Sockets that can be asked for at once, as in the agent. */
const MOST_INODES = 4096;

/**
 * @typedef {object} Content All that a collector can see.
 * @property {Record<string, string | Uint8Array | undefined>} [files] Granted paths and what is in the files;
 *   `undefined` where nothing is at the path.
 * @property {Record<string, unknown>} [config] The table `[config]`.
 * @property {Partial<import('./native.js').Sample>} [native] What the agent measured itself.
 * @property {Record<string, number>} [modified] When the content of granted files changed, in milliseconds since
 *   1970-01-01T00:00:00Z.
 * @property {Record<string, import('./filesystems.js').Usage | undefined>} [filesystems] Granted paths, and the file
 *   systems on which they lie; `undefined` where nothing is at the path.
 * @property {Record<number, import('./processes.js').Owner>} [processes] Who holds the sockets with these inodes;
 *   absent where processes are not granted.
 * @property {Record<string, Uint8Array>} [certificates] What the servers of origins showed of themselves.
 * @property {Partial<import('./limits.js').Limits>} [limits] What it may use, where that differs from the defaults.
 * @property {Record<string, Uint8Array>} [state] What the collector keeps.
 */

/** All that a collector can see, filled by a test. What it keeps stays from one `collect` to the next. */
export class Sandbox {
  /** @param {Content} content */
  constructor(content = {}) {
    this.files = content.files ?? {};
    this.config = content.config ?? {};
    this.native = content.native ?? {};
    this.modified = content.modified ?? {};
    this.filesystems = content.filesystems ?? {};
    this.processes = content.processes;
    this.certificates = content.certificates ?? {};
    this.limits = { ...DEFAULTS, ...content.limits };
    /** @type {Map<string, Uint8Array>} */
    this.state = new Map(Object.entries(content.state ?? {}));
    /**
     * The lines that were written to the log.
     * @type {{ level: import('./log.js').Level, message: string }[]}
     */
    this.lines = [];
  }

  /**
   * Collects once in this sandbox, and throws what the agent would be told.
   *
   * A point or metadata entry that the collector's `reports` do not name is an error, unless it has `others`.
   * @param {import('./collector.js').Collector} collector
   */
  async collect(collector) {
    const parts = await this.run(() => call(collector));
    const names = collector.reports.map((handle) => (handle instanceof Metadata ? handle.key : handle.name));
    for (const name of parts.map((part) => (part instanceof Point ? part.name : part.key))) {
      if (collector.others === undefined && !names.includes(name)) {
        throw new Error(`\`${name}\` is not among the \`reports\` of the collector`);
      }
    }
    return parts;
  }

  /**
   * Runs a part of a collector in this sandbox.
   * @template T
   * @param {() => T} part
   * @returns {Promise<Awaited<T>>}
   */
  async run(part) {
    const before = use(host(this));
    try {
      return await part();
    } finally {
      use(before);
    }
  }
}

/**
 * The imports of the world.
 * @param {Sandbox} sandbox
 * @returns {import('./host.js').Host}
 */
function host(sandbox) {
  return {
    log: (level, message) => void sandbox.lines.push({ level, message }),
    configJson: () => JSON.stringify(sandbox.config),
    stateGet: (key) => sandbox.state.get(key),
    stateSet: (key, value) => setState(sandbox, key, value),
    stateDelete: (key) => void sandbox.state.delete(key),
    stateKeys: () => [...sandbox.state.keys()].sort(byBytes),
    limits: () => sandbox.limits,
    sample: () => ({ sandboxId: '', hostname: '', uptimeSecs: 0, processes: [], ...sandbox.native }),
    read: (path) => {
      const content = contentOf(sandbox.files, path);
      if (content.length > MOST_BYTES) throw new TooLarge(path, MOST_BYTES);
      return content;
    },
    readAt: (path, offset, length) => contentOf(sandbox.files, path).slice(offset, offset + length),
    list: (directory) => {
      if (directory in sandbox.files) {
        throw sandbox.files[directory] === undefined ? new NotFound(directory) : new WrongType(directory);
      }
      const entries = below(sandbox.files, directory);
      if (entries.size === 0) throw new Denied(directory);
      return [...entries].map(([name, kind]) => ({ name, kind })).sort((a, b) => (a.name < b.name ? -1 : 1));
    },
    stat: (path) => {
      const modified = sandbox.modified[path];
      if (!(path in sandbox.files) && below(sandbox.files, path).size > 0)
        return { kind: 'directory', size: 0, modified };
      return { kind: 'file', size: contentOf(sandbox.files, path).length, modified };
    },
    grantedFilesystems: () => Object.keys(sandbox.filesystems).sort(),
    statFilesystem: (path) => {
      if (!(path in sandbox.filesystems)) throw new Denied(path, 'filesystems');
      const usage = sandbox.filesystems[path];
      if (usage === undefined) throw new NotFound(path);
      return usage;
    },
    socketOwners: (inodes) => {
      const { processes } = sandbox;
      if (processes === undefined) throw new ofProcesses.Denied();
      if (inodes.length > MOST_INODES) throw new ofProcesses.TooMany(MOST_INODES);
      return inodes.map((inode) => processes[inode]);
    },
    certificate: (origin) => sandbox.certificates[origin],
  };
}

/**
 * @param {Sandbox} sandbox
 * @param {string} key
 * @param {Uint8Array} value
 */
function setState({ state, limits }, key, value) {
  const size = new TextEncoder().encode(key).length;
  if (size === 0 || size > 128) throw new BadKey();
  const others = [...state].filter(([other]) => other !== key);
  const sum = others.reduce((sum, [key, value]) => sum + new TextEncoder().encode(key).length + value.length, 0);
  if (sum + size + value.length > limits.state) throw new Full(limits.state);
  state.set(key, value.slice());
}

/**
 * @param {string} a
 * @param {string} b
 */
function byBytes(a, b) {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/**
 * @param {Record<string, string | Uint8Array | undefined>} files
 * @param {string} path
 */
function contentOf(files, path) {
  if (!(path in files)) throw below(files, path).size > 0 ? new WrongType(path) : new Denied(path);
  const content = files[path];
  if (content === undefined) throw new NotFound(path);
  return typeof content === 'string' ? new TextEncoder().encode(content) : content;
}

/**
 * What is directly in a folder, as far as anything below it is granted and there.
 * @param {Record<string, string | Uint8Array | undefined>} files
 * @param {string} directory
 * @returns {Map<string, import('./files.js').EntryKind>}
 */
function below(files, directory) {
  const prefix = `${directory.replace(/\/+$/, '')}/`;
  const there = Object.keys(files).filter((path) => files[path] !== undefined && path.startsWith(prefix));
  return new Map(
    there.map((path) => {
      const [name = '', ...rest] = path.slice(prefix.length).split('/');
      return [name, rest.length > 0 ? 'directory' : 'file'];
    }),
  );
}
