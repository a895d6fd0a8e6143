// One sandbox in depth: read when it is opened, and again whenever it reports.

import { Refused, get, sandbox as route } from "./api.js";
import { el, keyed, setAttribute, setText } from "./dom.js";
import { Events } from "./events.js";
import { figures, resources } from "./figures.js";
import { counted, duration, mebibytes, percent } from "./format.js";
import { Plot } from "./plot.js";
import { collectors, metadata, metrics, processes, rejected, section } from "./sections.js";
import { absolute, setSince, since } from "./time.js";
import { STATE } from "./words.js";

// A sandbox may report ten times a second; nobody reads that fast.
const PAUSE_MS = 1000;
// The plots have a point per minute.
const HISTORY_MS = 10_000;

const JUMPS = [["Processes", "processes"], ["Collectors", "collectors"], ["Metrics", "metrics"], ["Metadata", "metadata"], ["Events", "happened"]];

export class Detail {
  #id = null;
  #shown = null;
  #reading = null;
  #again = false;
  #timer = null;
  #historyAt = 0;

  /** Calls `close()` when the reader wants to leave. */
  constructor({ close }) {
    this.badge = el("span.state", {}, el("i.mark", { "aria-hidden": "true" }), el("span"));
    this.title = el("h2", { id: "detail-title", tabindex: "-1" });
    this.facts = el("ul.facts", { "aria-label": "Facts" });
    this.notes = el("ul.notes", { "aria-label": "Notes" });
    this.cpu = new Plot({
      title: "CPU",
      of: (point) => point.cpuPercent,
      top: (values) => Math.max(100, ...values),
      write: percent,
    });
    this.memory = new Plot({ title: "Memory", of: (point) => point.memoryMB, top: (values) => this.#memoryTop(values), write: mebibytes });
    this.metrics = metrics();
    this.parts = [figures(), processes(), collectors(), resources(), this.metrics, metadata(), rejected()];
    const [tiles, ...rest] = this.parts.map((part) => part.node);
    this.events = new Events({ empty: "Nothing has happened yet." });
    this.plots = el("section.plots", { "aria-label": "The last hour" }, this.cpu.node, this.memory.node);
    this.jumps = el("nav.jumps", { "aria-label": "Parts" }, ...JUMPS.map(([word, name]) => jump(word, () => this.body.querySelector(`section.${name}`))));
    this.report = el("div.report", {}, this.jumps, tiles, this.plots, ...rest, section("happened", "Events", this.events.node));
    this.body = el("div.body", { tabindex: "0", role: "group", "aria-label": "Details" }, this.notes, this.report);
    const leave = el("button.icon.close", { type: "button", "aria-label": "Close", title: "Close (Esc)", onclick: close }, "×");
    const head = el("header", {}, el("div.line", {}, this.title, this.badge, leave), this.facts);
    this.node = el("section.detail", { "aria-labelledby": "detail-title", hidden: true }, head, this.body);
  }

  /** The sandbox that is open, or null. */
  get id() {
    return this.#id;
  }

  /** Opens a sandbox; what its row says is shown at once. */
  open(id, row) {
    if (this.#id === id) return;
    this.close();
    this.#id = id;
    this.metrics.reset();
    this.node.hidden = false;
    this.body.scrollTop = 0;
    this.report.hidden = true;
    this.#head(row?.sandbox ?? { id, name: id });
    this.#note([]);
    this.cpu.show([]);
    this.memory.show([]);
    this.events.open(route(id, "/events"));
    this.#read();
  }

  close() {
    this.#id = null;
    this.#shown = null;
    this.#historyAt = 0;
    this.#reading?.abort();
    [this.#reading, this.#again] = [null, false];
    clearTimeout(this.#timer);
    this.#timer = null;
    this.node.hidden = true;
  }

  focus() {
    this.title.focus({ preventScroll: true });
  }

  /** It reported, or stands otherwise. */
  changed() {
    if (this.#id === null || this.#timer !== null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#read();
    }, PAUSE_MS);
  }

  /** Something happened to it. */
  happened(event) {
    this.events.add(event);
    if (event.type === "deleted") this.#absent("This sandbox was deleted.");
    else this.changed();
  }

  /** Reads everything again: what came meanwhile was missed. */
  renew() {
    if (this.#id === null) return;
    this.#historyAt = 0;
    this.events.renew();
    this.#read();
  }

  // One reading at a time, and each to its end: the next report may well come before the answer to the last one.
  async #read() {
    if (this.#reading !== null) return void (this.#again = true);
    const reading = (this.#reading = new AbortController());
    const wantsHistory = Date.now() - this.#historyAt >= HISTORY_MS;
    try {
      const answers = [get(route(this.#id), reading), wantsHistory ? get(route(this.#id, "/history"), reading) : null];
      const [{ sandbox }, history] = await Promise.all(answers);
      if (reading.signal.aborted) return;
      this.#show(sandbox);
      if (history === null) return;
      this.#historyAt = Date.now();
      this.cpu.show(history.points);
      this.memory.show(history.points);
    } catch (error) {
      if (error instanceof Refused && error.status === 404 && !reading.signal.aborted) this.#absent(`There is no sandbox ${this.#id}.`);
      // Anything else is the hub's trouble, which the page says as a whole; it is read again when that is over.
    } finally {
      if (this.#reading === reading) this.#done();
    }
  }

  #done() {
    this.#reading = null;
    if (!this.#again) return;
    this.#again = false;
    this.changed();
  }

  #show(sandbox) {
    this.#shown = sandbox;
    this.report.hidden = false;
    this.#head(sandbox);
    this.#note(notes(sandbox));
    for (const part of this.parts) part.update(sandbox);
    const silent = !sandbox.agentInfo;
    for (const node of [this.jumps, this.plots, ...this.report.querySelectorAll("section.processes, section.collectors, section.metrics")]) {
      node.hidden = silent;
    }
  }

  #head(sandbox) {
    const { id, name, liveness, suspect, overdue, agentInfo: info, image } = sandbox;
    const state = overdue ? "overdue" : liveness === "live" && suspect ? "suspect" : liveness;
    setText(this.title, name || id);
    this.badge.hidden = state === undefined;
    setAttribute(this.badge, "data-state", state);
    setText(this.badge.lastChild, STATE[state]?.[0] ?? "");
    setAttribute(this.badge, "title", STATE[state]?.[1]);
    const facts = [
      ["Id", id !== name && id],
      ["Host", info?.hostname],
      ["Address", info?.ipAddress],
      ["Image", image],
      ["Agent", info?.agentVersion],
    ];
    const make = ([word]) => el("li", {}, el("span.term", {}, word), " ", el("span.value"));
    keyed(this.facts, facts.filter(([, value]) => value), ([word]) => word, make, (node, [, value]) => setText(node.lastChild, value));
  }

  #note(notes) {
    const make = () => el("li", {}, el("span"), " ", since(null));
    keyed(this.notes, notes, (note) => note.key, make, (node, { text, tone, time }) => {
      setAttribute(node, "data-tone", tone || null);
      setText(node.firstChild, text);
      setSince(node.lastChild, time ?? null);
    });
    this.notes.hidden = notes.length === 0;
  }

  #absent(text) {
    this.report.hidden = true;
    this.badge.hidden = true;
    this.#note([{ key: "absent", text, tone: "warn" }]);
  }

  #memoryTop(values) {
    const limit = this.#shown?.agentInfo?.metrics.memoryLimitMB;
    const most = Math.max(16, ...values);
    // Far below its limit the curve would be a flat line.
    return limit && most > limit / 4 ? Math.max(limit, most) : round(most * 1.1);
  }
}

// What is out of the ordinary, the most important first.
function notes({ id, liveness, livenessSince, suspect, overdue, createdAt, agentInfo, stopping, resumed, gap, missing = [], dropped }) {
  const last = agentInfo?.lastHeartbeat;
  return [
    liveness === "lost" && { key: "lost", tone: "bad", text: "Lost: what follows is what its last report said.", time: last },
    suspect && { key: "suspect", tone: "warn", text: "Silent, but so are so many others that the hub doubts its own network. Last report", time: last },
    overdue && { key: "overdue", tone: "warn", text: "It should have reported by now. Registered", time: createdAt },
    liveness === "never-reported" && {
      key: "how",
      text: `It reports once an agent runs in it with AGENT_SERVER_URL=${location.origin}, AGENT_SANDBOX_ID=${id} and the AGENT_TOKEN that its registration answered.`,
    },
    liveness === "stopped" && { key: "stopped", text: "It said that it stops; what follows is what its last report said.", time: livenessSince },
    stopping && liveness === "live" && { key: "stopping", tone: "warn", text: "Its agent was asked to end and is stopping its processes." },
    resumed && { key: "resumed", tone: "warn", text: `It stood still for ${duration(resumed.suspendedMs / 1000)}, until`, time: resumed.at },
    gap && { key: "gap", tone: "warn", text: gapText(gap), time: gap.firstFailure },
    dropped && { key: "dropped", tone: "warn", text: "The hub has no room for more than the base figures of its last report (report_memory)." },
    missing.length > 0 && { key: "missing", tone: "warn", text: `Not known until its next whole report: ${parts(missing)}.` },
  ].filter(Boolean);
}

function gapText({ missed, firstFailure, lastError }) {
  const reports = `${counted(missed, "report")} before the last one did not arrive`;
  const error = lastError ? `: ${lastError}` : "";
  return `${reports}${error}${firstFailure ? `. First failure ${absolute(firstFailure)},` : "."}`;
}

function parts(names) {
  return names.map((name) => (name === "plugins" ? "collectors" : name)).join(", ");
}

function jump(word, target) {
  const go = () => target().scrollIntoView({ block: "start" });
  return el("button.quiet", { type: "button", onclick: go }, word);
}

// The next end of an axis whose half is a figure that one can read.
function round(value) {
  const unit = 2 ** Math.floor(Math.log2(value));
  return [1, 1.25, 1.5, 2].map((part) => part * unit).find((end) => end >= value);
}
