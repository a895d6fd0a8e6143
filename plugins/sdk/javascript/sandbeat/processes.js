/** What the kernel shows of processes only to who may look into them. Granted by `[grant] processes = true`. */

import { DeniedError, InternalError, UnavailableError } from './errors.js';
import { current } from './host.js';

/**
 * @typedef {object} Owner A process that holds a socket.
 * @property {number} pid Its process id.
 * @property {string} name Its name, as in `/proc/PID/comm`.
 */

/** The sidecar does not grant it. */
export class Denied extends DeniedError {
  constructor() {
    super('processes are not granted; set `processes = true` under `[grant]` in the sidecar');
  }
}

/** More inodes were asked for than `limit`. */
export class TooMany extends InternalError {
  /** @param {number} limit */
  constructor(limit) {
    super(`at most ${limit} sockets can be asked for at once`);
    this.limit = limit;
  }
}

/** Anything else, in the operating system's own words. */
export class Unreadable extends UnavailableError {}

/**
 * Who holds each of these sockets, given by inode as `/proc/net/tcp` shows them, in the same order; 4,096 at most.
 *
 * `undefined` where no process that the agent may look into holds it. Of several holders it is the one that started
 * first. Throws one of the errors above.
 * @param {readonly number[]} inodes
 */
export function socketOwners(inodes) {
  return current().socketOwners(inodes);
}
