/** How full file systems are: those on which the paths under `[grant] filesystems` lie. */

import { current, text } from './host.js';

/**
 * @typedef {object} Usage A file system, as statvfs(3) sees it. Sizes are in bytes.
 * @property {number} size All of it.
 * @property {number} free What is not used.
 * @property {number} available What of that others than root may use.
 * @property {number | undefined} inodes All inodes; absent where the file system makes them as it needs them.
 * @property {number | undefined} inodesFree Inodes that are not used; absent where `inodes` is.
 * @property {boolean} readOnly Nothing can be written.
 */

/** The granted paths, as the sidecar names them. */
export function granted() {
  return current().grantedFilesystems();
}

/**
 * The file system on which a granted path lies. Throws an error of `files`.
 * @param {string} path
 */
export function stat(path) {
  return current().statFilesystem(text(path, 'a path'));
}
