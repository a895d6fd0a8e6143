// What happened, the newest first: of one sandbox or of all.

import { get } from "./api.js";
import { el, keyed } from "./dom.js";
import { setSince, since } from "./time.js";
import { EVENT } from "./words.js";

const PAGE = 50;
// So many stay when new ones keep coming.
const MOST = 1000;

/** A list of events that is read from `path` and added to as they come. `link(id)` is a sandbox's address, where they are named. */
export class Events {
  #events = [];
  #cursor = null;
  #path = null;
  #reading = null;

  constructor({ path = null, link = null, empty }) {
    this.#path = path;
    this.link = link;
    this.list = el("ol.events");
    this.none = el("p.empty", { hidden: true }, empty);
    this.more = el("button.quiet", { type: "button", hidden: true, onclick: () => this.#read(this.#cursor) }, "Show older");
    this.node = el("div", {}, this.list, this.none, this.more);
  }

  /** Shows those of another path. */
  async open(path) {
    [this.#path, this.#events, this.#cursor] = [path, [], null];
    this.#show();
    await this.#read(null);
  }

  /** Reads the newest again. */
  renew() {
    return this.#read(null);
  }

  /** Adds one that just happened. */
  add(event) {
    this.#merge([event]);
    this.#show();
  }

  async #read(cursor) {
    this.#reading?.abort();
    const reading = (this.#reading = new AbortController());
    const before = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    try {
      const { events, nextCursor } = await get(`${this.#path}?limit=${PAGE}${before}`, reading);
      if (reading.signal.aborted) return;
      this.#merge(events);
      // What is read anew at the top changes nothing about where the end is, once that is known.
      if (cursor !== null || this.#cursor === null) this.#cursor = nextCursor ?? null;
      this.#show(true);
    } catch {
      // The stream tells what is wrong with the hub, and everything is read again when it is back.
    }
  }

  #merge(events) {
    const known = new Map(this.#events.map((event) => [event.id, event]));
    for (const event of events) known.set(event.id, event);
    this.#events = [...known.values()].sort((a, b) => b.id - a.id).slice(0, MOST);
  }

  #show(read = this.#events.length > 0) {
    keyed(this.list, this.#events, (event) => event.id, (event) => this.#make(event), () => {});
    this.none.hidden = !read || this.#events.length > 0;
    // No more are kept, so that older ones would be read in vain.
    this.more.hidden = this.#cursor === null || this.#events.length >= MOST;
  }

  #make({ type, at, sandboxId, name, detail }) {
    const [title, tone] = EVENT[type] ?? [type, ""];
    const whose = this.link && sandboxId ? el("a.whose", { href: this.link(sandboxId) }, sandboxId) : null;
    const what = el("span.what", {}, el("b", { "data-tone": tone || null }, title), name ? el("code", {}, name) : null);
    return el("li", {}, setSince(since(null), at), el("div", {}, whose, what, detail ? el("p", {}, detail) : null));
  }
}
