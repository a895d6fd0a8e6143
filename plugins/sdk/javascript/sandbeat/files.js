/**
 * Files of the sandbox that the sidecar's `[grant] read` names, by glob.
 *
 * Everything else is denied, and so is a symbolic link that leads out of what was granted. Paths are absolute.
 */

import { DeniedError, InternalError, UnavailableError } from './errors.js';
import { current, text } from './host.js';

/** @typedef {'file' | 'directory' | 'symlink' | 'other'} EntryKind What a folder's entry is; links are not followed. */

/**
 * @typedef {object} Entry What a folder contains.
 * @property {string} name The last part of its path.
 * @property {EntryKind} kind
 */

/**
 * @typedef {object} Info What is known of a file or folder without reading it.
 * @property {EntryKind} kind `file` or `directory`; nothing else is served.
 * @property {number} size Its length in bytes; of no meaning for a folder and for files that the kernel makes up, such
 *   as those of `/proc`.
 * @property {number | undefined} modified When its content last changed, in milliseconds since 1970-01-01T00:00:00Z, as
 *   `Date.now()` counts them; absent where that was before.
 */

/** No glob under `[grant]` matches the path. */
export class Denied extends DeniedError {
  /**
   * @param {string} path The path that was asked for.
   * @param {string} grant The key under `[grant]` that it would take.
   * @param {string} what What has to be added to it.
   */
  constructor(path, grant = 'read', what = 'it') {
    super(`\`${path}\` is not granted; add ${what} to \`${grant}\` under \`[grant]\` in the sidecar`);
    this.path = path;
  }
}

/** A glob matches, and nothing is there. */
export class NotFound extends UnavailableError {
  /** @param {string} path The path that was asked for. */
  constructor(path) {
    super(`\`${path}\` is not there`);
    this.path = path;
  }
}

/** It is a folder, a device, a pipe or a socket where a file was asked for, or a file where a folder was. */
export class WrongType extends UnavailableError {
  /** @param {string} path The path that was asked for. */
  constructor(path) {
    super(`\`${path}\` is not the kind of file that it should be`);
    this.path = path;
  }
}

/** The answer would be larger than `limit` bytes or entries. */
export class TooLarge extends UnavailableError {
  /**
   * @param {string} path The path that was asked for.
   * @param {number} limit
   */
  constructor(path, limit) {
    super(`\`${path}\` has more than ${limit} bytes or entries`);
    this.path = path;
    this.limit = limit;
  }
}

/** The content is not UTF-8. */
export class NotText extends InternalError {
  /** @param {string} path The path that was asked for. */
  constructor(path) {
    super(`\`${path}\` is not text in UTF-8`);
    this.path = path;
  }
}

/** Anything else, in the operating system's own words. */
export class Unreadable extends UnavailableError {
  /**
   * @param {string} path The path that was asked for.
   * @param {string} words
   */
  constructor(path, words) {
    super(`\`${path}\`: ${words}`);
    this.path = path;
  }
}

/** How many bytes one answer brings at most. */
export const MOST_BYTES = 1024 * 1024;

/**
 * A whole file, 1 MiB at most. Throws one of the errors above.
 * @param {string} path
 */
export function read(path) {
  return current().read(text(path, 'a path'));
}

/**
 * A whole file of text in UTF-8, 1 MiB at most. Throws one of the errors above.
 * @param {string} path
 */
export function readText(path) {
  const content = read(path);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(content);
  } catch {
    throw new NotText(path);
  }
}

/**
 * A part of a file, from `offset` on, `length` bytes or fewer (1 MiB at most); empty at or past its end. Throws one of
 * the errors above.
 * @param {string} path
 * @param {number} offset
 * @param {number} length
 */
export function readAt(path, offset, length) {
  for (const value of [offset, length]) {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} is not a number of bytes`);
  }
  return current().readAt(text(path, 'a path'), offset, Math.min(length, MOST_BYTES));
}

/**
 * The entries of a folder by name, as far as they are granted or lead to something that may be. Throws one of the
 * errors above.
 * @param {string} directory
 */
export function list(directory) {
  const path = text(directory, 'a path');
  try {
    return current().list(path);
  } catch (error) {
    // Of a folder it is what lies below that is granted.
    throw error instanceof Denied ? new Denied(path, 'read', `a glob such as \`${path}/**\``) : error;
  }
}

/**
 * What is known of a file or folder. A folder is granted where something in it may be. Throws one of the errors above.
 * @param {string} path
 */
export function stat(path) {
  return current().stat(text(path, 'a path'));
}
