// The page: what is in it, what the reader does with it, and what reaches it from the hub. The state of the view is in
// the address (`route`), the fleet in `fleet`; everything else follows from the two.

import { Refused, get, key, setKey } from "./api.js";
import { Detail } from "./detail.js";
import { el, setText } from "./dom.js";
import { Events } from "./events.js";
import { Fleet, VOLATILE, sortable } from "./fleet.js";
import { count, counted, perSecond } from "./format.js";
import { Glance, shownText } from "./glance.js";
import { keysDialog, noMatch, welcome } from "./help.js";
import { Live } from "./live.js";
import { Loaded } from "./load.js";
import { Banner, Connection, Lock, Voice } from "./notices.js";
import * as address from "./route.js";
import { Table } from "./table.js";
import { themeButton } from "./theme.js";
import { tick } from "./time.js";

// Rows move at most so often by themselves: when something changed its state, and when figures did.
const REORDER_MS = { state: 500, figures: 4000 };
const FLEET_MS = 2000;
// The stream comes first, so that nothing falls between the list and it; but not at the price of an empty page.
const STREAM_FIRST_MS = 250;
// The whole list is much to read: so often at most when the hub says that it is to be read again.
const RELIST_MS = 5000;

class App {
  fleet = new Fleet();
  state = address.parse(location.hash);
  /** What the hub said of the fleet as a whole. */
  summary = null;
  loaded = new Loaded({ fleet: this.fleet, view: this.state, changed: () => this.#order({ now: true }) });
  #ordered = { changes: -1, at: 0 };
  #timer = null;
  #reading = false;
  #readAt = 0;
  #relist = null;
  #again = false;
  #begun = null;
  #marked = null;
  #shownRows = 0;

  constructor() {
    this.table = new Table({
      open: (id) => this.go({ open: id }, { focus: true }),
      sort: (column) => this.go({ sort: this.state.sort === column ? `-${column}` : column }),
      linkTo: (id) => address.format({ ...this.state, open: id }),
    });
    this.detail = new Detail({ close: () => this.leave() });
    this.glance = new Glance({ choose: (is) => this.go({ is }) });
    this.activity = new Events({ path: "/api/v1/events", link: (id) => address.format({ ...this.state, open: id }), empty: "Nothing has happened yet." });
    this.live = new Live({
      opened: () => this.#opened(),
      event: (event) => this.#event(event),
      poll: () => this.reload(),
      state: (state, error) => this.#stands(state, error),
    });
    this.connection = new Connection();
    this.banner = new Banner({ retry: () => this.live.hurry() });
    this.voice = new Voice();
    this.lock = new Lock({ unlock: () => this.start() });
    this.keys = keysDialog();
    this.empty = welcome();
    this.unmatched = noMatch({ clear: () => this.go({ is: [], q: "" }) });
    this.#assemble();
    this.#listen();
    this.#apply();
  }

  /** Connects, with the key that there is. */
  async start() {
    this.connection.show("connecting");
    this.forget.hidden = key() === null;
    const opened = new Promise((resolve) => (this.#begun = resolve));
    this.live.start();
    await Promise.race([opened, new Promise((resume) => setTimeout(resume, STREAM_FIRST_MS))]);
    this.#begun = null;
    await this.reload();
  }

  /** Reads the list and everything else that is shown anew. One reading at a time; what comes meanwhile is read after it. */
  async reload() {
    if (this.#reading) return void (this.#again = true);
    this.#reading = true;
    this.#readAt = performance.now();
    const asked = key();
    try {
      this.#summarize();
      this.activity.renew();
      this.detail.renew();
      const progress = () => this.#order({ now: true });
      await this.loaded.read(this.state.load, progress);
      this.#order({ now: true });
    } catch (error) {
      const isLocked = error instanceof Refused && error.wantsKey;
      // The refusal of a key that has been replaced meanwhile says nothing of the new one, with which it is read again.
      if (isLocked && key() === asked) this.#stands("locked", error);
      // While the stream is fine nobody else would ask; while it is not, the list is read when it is back.
      else if (!isLocked && this.connection.node.dataset.connection === "live") this.#readSoon();
    } finally {
      this.#reading = false;
    }
    if (this.#again) {
      this.#again = false;
      await this.reload();
    }
  }

  /** Changes the state of the view. Searching, letter by letter, is one step back. */
  go(change, { replace = false, focus = false } = {}) {
    this.state = { ...this.state, ...change };
    const url = address.format(this.state) || location.pathname;
    history[replace ? "replaceState" : "pushState"](null, "", url);
    this.#apply();
    if (focus) this.detail.focus();
  }

  /** Back from the open sandbox to the list. */
  leave() {
    if (this.state.open === null) return;
    this.go({ open: null });
    this.table.focus();
  }

  #assemble() {
    this.search = el("input", { type: "search", placeholder: "Search id, name, host, image, registered metadata", title: "What sandboxes report beside their host is not searched", "aria-label": "Search sandboxes", "aria-keyshortcuts": "/", spellcheck: "false", autocomplete: "off" });
    this.rate = el("span.rate", { title: "Reports that the hub takes, per second" });
    this.forget = el("button.quiet", { type: "button", hidden: true, onclick: () => this.#forget() }, "Forget key");
    const help = el("button.icon", { type: "button", "aria-label": "Keys", title: "Keys (?)", onclick: () => this.keys.showModal() }, "?");
    document.querySelector(".top").append(
      el("search", {}, this.search, el("kbd", { "aria-hidden": "true" }, "/")),
      el("div.tools", {}, this.rate, this.connection.node, this.forget, themeButton(), help),
    );
    this.shown = el("p.shown", { role: "status" });
    this.doubt = el("p.doubt", { hidden: true, "data-tone": "warn" });
    this.list = el("section.list", { "aria-label": "Fleet" }, this.glance.node, this.doubt, this.shown, this.table.node, this.empty, this.unmatched.node);
    this.side = el("aside.activity", { "aria-labelledby": "activity-title" }, el("h2", { id: "activity-title" }, "Activity"), el("div.body", { tabindex: "0", role: "group", "aria-label": "Recent events" }, this.activity.node));
    this.panes = document.querySelector("main");
    this.panes.append(this.banner.node, el("div.panes", {}, this.list, this.side, this.detail.node), this.voice.node);
    document.body.append(this.keys, this.lock.node);
  }

  #listen() {
    addEventListener("popstate", () => {
      const { load } = this.state;
      this.state = address.parse(location.hash);
      this.#apply();
      if (this.state.load !== load) this.reload();
    });
    this.search.addEventListener("input", () => this.go({ q: this.search.value }, { replace: true }));
    document.addEventListener("keydown", (event) => this.#key(event));
    addEventListener("online", () => this.live.hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.live.hurry());
    setInterval(() => document.hidden || this.connection.node.dataset.connection !== "live" || this.#summarize(), FLEET_MS);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const typing = event.target.matches("input, textarea, select");
    if (event.key === "Escape") {
      if (event.target === this.search && this.search.value !== "") this.go({ q: "" }, { replace: true });
      else if (event.target === this.search) this.table.focus();
      else this.leave();
    } else if (event.target === this.search && event.key === "ArrowDown") {
      this.table.focus();
    } else if (typing) {
      return;
    } else if (event.key === "/") {
      this.search.focus();
      this.search.select();
    } else if (event.key === "?") {
      this.keys.showModal();
    } else if (event.key === "j" || event.key === "k") {
      this.table.focus();
      this.table.move(event.key === "j" ? 1 : -1);
    } else return;
    event.preventDefault();
  }

  #apply() {
    if (!sortable(this.state.sort)) this.state.sort = address.DEFAULT.sort;
    if (this.search.value !== this.state.q) this.search.value = this.state.q;
    this.loaded.turn(this.state);
    const { open } = this.state;
    if (open === null) this.detail.close();
    else this.detail.open(open, this.fleet.row(open));
    this.panes.toggleAttribute("data-open", open !== null);
    this.#order({ now: true });
    this.table.mark(open);
  }

  /** Puts the rows in order: now, or when it is time to. */
  #order({ now = false } = {}) {
    if (now) return this.#draw();
    const pause = this.fleet.changes !== this.#ordered.changes ? REORDER_MS.state : REORDER_MS.figures;
    const volatile = VOLATILE.has(this.state.sort.replace(/^-/, ""));
    if (pause === REORDER_MS.figures && !volatile) return;
    if (performance.now() - this.#ordered.at >= pause) this.#draw();
    else this.#timer ??= setTimeout(() => this.#draw(), pause);
  }

  #draw() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#ordered = { changes: this.fleet.changes, at: performance.now() };
    const rows = this.fleet.view(this.state);
    this.table.show(rows, this.state.sort);
    this.#shownRows = rows.length;
    if (rows.length > 0 && !this.#marked) this.#marked = performance.mark("sandboxes-shown");
    this.#tell();
  }

  /** Says how many there are, and how many of them are shown. */
  #tell() {
    const { complete, found } = this.loaded;
    const rows = this.#shownRows;
    const total = complete ? this.fleet.size : Math.max(this.summary?.total ?? 0, this.fleet.size);
    this.glance.show({ total, countOf: (group) => this.#countOf(group), chosen: this.state.is });
    const known = complete || (complete === false && found !== null);
    this.empty.hidden = !known || total > 0;
    this.unmatched.node.hidden = !known || total === 0 || rows > 0;
    this.unmatched.show(this.#unmatchedText());
    this.table.node.hidden = known && rows === 0;
    setText(this.shown, shownText(this.loaded, this.state, { rows, total }));
    this.#titles();
  }

  #unmatchedText() {
    const { is, q } = this.state;
    if (q === "") return "No sandbox is in what you chose.";
    return is.length === 0 ? `No sandbox matches “${q}”.` : `No sandbox among those that you chose matches “${q}”.`;
  }

  #countOf(group) {
    // Until all are here, the hub knows better.
    if (this.loaded.complete || !this.summary) return this.fleet.count(group);
    const { liveness, suspect, failing } = this.summary;
    return {
      lost: liveness.lost,
      suspect,
      live: liveness.live - suspect,
      "never-reported": liveness.neverReported,
      stopped: liveness.stopped,
      "process-failed": failing.processes,
      "collector-failed": failing.collectors,
    }[group];
  }

  #titles() {
    const lost = this.#countOf("lost");
    const about = this.state.open === null ? "" : `${this.fleet.row(this.state.open)?.sandbox.name ?? this.state.open} · `;
    document.title = `${lost > 0 ? `(${count(lost)} lost) ` : ""}${about}sandbeat hub`;
  }

  async #summarize() {
    try {
      this.summary = await get("/api/v1/fleet");
    } catch {
      return;
    }
    const { reportsPerSec, suspectSince, suspect } = this.summary;
    setText(this.rate, reportsPerSec === undefined ? "" : perSecond(reportsPerSec));
    this.doubt.hidden = !suspectSince;
    setText(this.doubt, `${counted(suspect, "sandbox is", "sandboxes are")} silent at once. The hub doubts its own network and calls none of them lost until it is clear.`);
    if (!this.loaded.complete) this.#tell();
  }

  #opened() {
    this.banner.clear();
    if (this.#begun) this.#begun();
    else this.reload();
  }

  #stands(state, error) {
    this.connection.show(state);
    this.panes.toggleAttribute("data-stale", state === "down");
    if (state === "live") return this.banner.clear();
    if (state === "down") return this.banner.gone();
    this.banner.clear();
    if (state === "locked") {
      this.live.stop();
      this.lock.ask(key() !== null);
    } else if (error.status === 403) {
      this.banner.refused(error.message);
    }
  }

  #event({ type, data }) {
    if (type === "reset") return this.reload();
    if (type === "beats") return this.#beats(JSON.parse(data));
    const event = JSON.parse(data);
    this.activity.add(event);
    this.voice.event(event);
    if (type === "suspect" || type === "trusted") this.#summarize();
    if (event.sandboxId === undefined) return;
    if (type === "deleted") this.fleet.remove(event.sandboxId, performance.now());
    if (event.sandboxId === this.detail.id) this.detail.happened(event);
    this.#order();
  }

  #beats({ sandboxes, more }) {
    const at = performance.now();
    if (more) this.#readSoon();
    for (const sandbox of sandboxes) {
      this.loaded.take(sandbox, at);
      if (sandbox.id === this.detail.id) this.detail.changed();
    }
    this.table.refresh((id) => this.fleet.row(id));
    this.#order();
  }

  // So much changed that the hub names nobody, or the list could not be read.
  #readSoon() {
    this.#relist ??= setTimeout(() => {
      this.#relist = null;
      this.reload();
    }, Math.max(0, this.#readAt + RELIST_MS - performance.now()));
  }

  #forget() {
    setKey(null);
    // Nothing of the fleet stays in memory.
    location.reload();
  }
}

tick();
new App().start();
