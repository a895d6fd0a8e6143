// What of the fleet is here: all of it, where it is not too large. Else the first by id, and, beyond them, what the view
// is about, which the hub is asked for; so what a tile or a search shows is not only of what is here.
//
// Whatever the hub has beyond the first is here only as long as the view shows it. The view of everything shows those
// in trouble, which come first in it.

import { Refused, get } from "./api.js";
import { inTrouble, shown } from "./fleet.js";

const PAGE = 1000;
// So many of those beyond the first are here at once.
const BEYOND = 10_000;
const TYPING_MS = 250;

// What is asked for a group.
const STANDS = {
  lost: "&liveness=lost",
  suspect: "&suspect=true",
  live: "&liveness=live&suspect=false",
  "never-reported": "&liveness=never-reported",
  stopped: "&liveness=stopped",
};
const FAILS = { "process-failed": "processes", "collector-failed": "collectors" };
// What `inTrouble` tells of a row.
const TROUBLE = ["&liveness=lost", "&suspect=true", "&liveness=live&failing=any", "&overdue=true"];

export class Loaded {
  /** Whether all sandboxes are here; null until the list was read. */
  complete = null;
  /** How many of the list were read. */
  first = 0;
  /** What the hub found for the view beyond those: `{ whole }`, whether that is all, or `{ failed }`, why it is not known; null until it answers. */
  found = null;
  #fleet;
  #changed;
  #view;
  #wants;
  /** The last id of the first. */
  #edge = null;
  #asking = null;
  #timer = null;

  /** Fills `fleet` for `view`; calls `changed()` when the hub has answered for another view. */
  constructor({ fleet, view, changed }) {
    this.#fleet = fleet;
    this.#changed = changed;
    this.#see(view);
  }

  /** Reads the list anew, `most` sandboxes of it. `progress()` is called after each page. */
  async read(most, progress) {
    const begun = performance.now();
    const { read, next } = await this.#readPages({ goesOn: (read) => read < most, progress });
    [this.first, this.#edge, this.complete] = [read, next, next === undefined];
    if (!this.complete) await this.#ask();
    this.#fleet.sweep(begun);
  }

  /** The view is this one from now on: the hub is asked for what it shows, where not all is here. */
  turn(view) {
    const before = this.#view;
    this.#see(view);
    if (this.complete !== false || (view.q === before.q && view.is.join() === before.is.join())) return;
    [this.found, this.#asking] = [null, null];
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask().then(this.#changed), view.q === before.q ? 0 : TYPING_MS);
  }

  /** Takes a sandbox that the stream tells of: one that is here, or that the view shows. */
  take(sandbox, at) {
    this.#fleet.put(sandbox, at, (row) => this.complete !== false || (this.#hasRoom() && this.#wants(row)));
  }

  async #ask() {
    const asking = (this.#asking = {});
    this.#fleet.keep((row) => row.id <= this.#edge || this.#wants(row));
    // An answer for a view that was left is not put in.
    const goesOn = () => asking === this.#asking && this.#hasRoom();
    let found = { whole: true };
    try {
      for (const question of questions(this.#view)) {
        const { next } = await this.#readPages({ question, from: this.#edge, goesOn });
        if (next !== undefined) found = { whole: false };
      }
    } catch (error) {
      found = { failed: error instanceof Refused ? error.message : "it does not answer" };
    }
    if (asking === this.#asking) this.found = found;
  }

  async #readPages({ question = "", from, goesOn, progress = () => {} }) {
    let [read, next] = [0, from];
    do {
      const cursor = next === undefined ? "" : `&cursor=${encodeURIComponent(next)}`;
      // What the stream tells from now on is newer than this page.
      const asked = performance.now();
      const page = await get(`/api/v1/sandboxes?limit=${PAGE}${question}${cursor}`);
      if (!goesOn(read)) break;
      for (const sandbox of page.sandboxes) this.#fleet.put(sandbox, asked);
      [read, next] = [read + page.sandboxes.length, page.nextCursor];
      progress();
    } while (next !== undefined && goesOn(read));
    return { read, next };
  }

  #see(view) {
    this.#view = view;
    // Tells of a row whether it is here though it is beyond the first.
    this.#wants = isOfAll(view) ? inTrouble : shown(view);
  }

  #hasRoom() {
    return this.#fleet.size < this.first + BEYOND;
  }

}

function isOfAll({ is, q }) {
  return q.trim() === "" && !is.some((group) => group in STANDS || group in FAILS);
}

// What the hub is to be asked for, so that all is found that the view shows: `shows` looks at what comes once more.
function questions(view) {
  if (isOfAll(view)) return TROUBLE;
  const stands = view.is.filter((group) => group in STANDS).map((group) => STANDS[group]);
  const fails = view.is.filter((group) => group in FAILS).map((group) => FAILS[group]);
  // All words must occur, each anywhere; the hub looks for one text.
  const word = view.q.split(/\s+/).reduce((longest, word) => (word.length > longest.length ? word : longest), "");
  const failing = fails.length === 0 ? "" : `&failing=${fails.length > 1 ? "any" : fails[0]}`;
  const search = word === "" ? "" : `&search=${encodeURIComponent(word)}`;
  return (stands.length > 0 ? stands : [""]).map((standing) => `${standing}${failing}${search}`);
}
