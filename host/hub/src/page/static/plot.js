// A plot of the last hour, minute by minute: drawn here, read by eye, by pointer, by arrow keys, and as a table.

import { el, setAttribute, setText, svg } from "./dom.js";
import { clock, now } from "./time.js";

const MINUTE_MS = 60_000;
const MINUTES = 60;
// In the drawing's own units; the drawing is as wide as its place and the text beside it is no part of it.
const [WIDTH, HEIGHT] = [600, 120];
const LINES = 4;
// A point is no single report's figure, such as stands above the plots.
const HIGHEST = "highest of the minute";

/** `top(points)` is the upper end of the axis for what is there, `write(value)` a value in words. */
export class Plot {
  #points = [];
  #values = [];
  #chosen = null;

  constructor({ title, of, top, write }) {
    Object.assign(this, { title, of, top, write });
    this.area = svg("path.area");
    this.line = svg("path.line", { "vector-effect": "non-scaling-stroke" });
    this.cross = svg("line.cross", { y1: 0, y2: HEIGHT, "vector-effect": "non-scaling-stroke", visibility: "hidden" });
    const rules = Array.from({ length: LINES + 1 }, (_, index) => {
      const y = (HEIGHT * index) / LINES;
      return svg("line.rule", { x1: 0, x2: WIDTH, y1: y, y2: y, "vector-effect": "non-scaling-stroke" });
    });
    this.drawing = svg(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" },
      ...rules,
      this.area,
      this.line,
      this.cross,
    );
    this.dot = el("i.dot", { hidden: true });
    this.surface = el("div.surface", { role: "img", tabindex: "0" }, this.drawing, this.dot);
    this.heights = Array.from({ length: LINES / 2 + 1 }, () => el("span"));
    this.times = Array.from({ length: 5 }, () => el("span"));
    this.readout = el("output.readout", { "aria-live": "off" });
    this.rows = el("tbody");
    this.table = el(
      "details.points",
      {},
      el("summary", {}, "As a table"),
      el("table", {}, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Minute"), el("th", { scope: "col" }, title))), this.rows),
    );
    this.empty = el("p.empty", {}, "Nothing was measured in the last hour.");
    this.node = el(
      "figure.plot",
      {},
      el("figcaption", {}, el("span.title", {}, title), this.readout),
      el("div.frame", { "aria-hidden": "false" }, el("div.heights", { "aria-hidden": "true" }, ...this.heights), this.surface),
      el("div.times", { "aria-hidden": "true" }, ...this.times),
      this.empty,
      this.table,
    );
    this.#listen();
  }

  /** Draws what the hub keeps of the last hour: `{ at, … }` per minute, the oldest first. */
  show(points) {
    const end = Math.floor(now() / MINUTE_MS) * MINUTE_MS;
    this.start = end - (MINUTES - 1) * MINUTE_MS;
    this.#points = points
      .map((point) => ({ minute: Math.round((Date.parse(point.at) - this.start) / MINUTE_MS), value: this.of(point) }))
      .filter(({ minute, value }) => minute >= 0 && minute < MINUTES && typeof value === "number");
    this.#values = Array(MINUTES).fill(null);
    for (const { minute, value } of this.#points) this.#values[minute] = value;
    this.highest = this.top(this.#points.map(({ value }) => value));
    this.node.toggleAttribute("data-empty", this.#points.length === 0);
    this.#draw();
    this.#label();
    this.#read();
  }

  #draw() {
    const runs = [];
    for (const point of this.#points) {
      if (runs.at(-1)?.at(-1)?.minute === point.minute - 1) runs.at(-1).push(point);
      else runs.push([point]);
    }
    // A minute is drawn as wide as it is, so that one alone can be seen as well.
    const path = (run) => run.map(({ minute, value }) => `H${this.#x(minute)}V${this.#y(value)}H${this.#x(minute + 1)}`).join("");
    const begin = (run) => `M${this.#x(run[0].minute)},${this.#y(run[0].value)}`;
    this.line.setAttribute("d", runs.map((run) => begin(run) + path(run)).join(""));
    const close = (run) => `V${HEIGHT}H${this.#x(run[0].minute)}Z`;
    this.area.setAttribute("d", runs.map((run) => begin(run) + path(run) + close(run)).join(""));
  }

  #label() {
    this.heights.forEach((node, index) => setText(node, this.write((this.highest * (this.heights.length - 1 - index)) / (this.heights.length - 1))));
    this.times.forEach((node, index) => {
      const minute = (index * MINUTES) / (this.times.length - 1);
      setText(node, index === this.times.length - 1 ? "now" : clock(this.start + minute * MINUTE_MS));
    });
    const list = this.#points;
    const highest = list.reduce((best, point) => (point.value > best.value ? point : best), list[0]);
    const lowest = list.reduce((best, point) => (point.value < best.value ? point : best), list[0]);
    const summary =
      list.length === 0
        ? "nothing was measured"
        : `last ${this.write(list.at(-1).value)}, highest ${this.write(highest.value)} at ${this.#time(highest)}, lowest ${this.write(lowest.value)} at ${this.#time(lowest)}`;
    setAttribute(this.surface, "aria-label", `${this.title}, the last hour: ${summary}. Left and right arrow read single minutes.`);
    this.rows.replaceChildren(
      ...list.map((point) => el("tr", {}, el("th", { scope: "row" }, this.#time(point)), el("td", {}, this.write(point.value)))),
    );
  }

  #listen() {
    const { surface } = this;
    surface.addEventListener("pointermove", ({ clientX }) => {
      const { left, width } = surface.getBoundingClientRect();
      this.#choose(Math.floor(((clientX - left) / width) * MINUTES));
    });
    surface.addEventListener("pointerleave", () => this.#choose(null));
    surface.addEventListener("blur", () => this.#choose(null));
    surface.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      setAttribute(this.readout, "aria-live", "polite");
      this.#choose(Math.max(0, Math.min(MINUTES - 1, (this.#chosen ?? MINUTES) + step)));
    });
  }

  #choose(minute) {
    this.#chosen = minute === null || minute < 0 || minute >= MINUTES ? null : minute;
    if (this.#chosen === null) setAttribute(this.readout, "aria-live", "off");
    this.#read();
  }

  #read() {
    const minute = this.#chosen;
    const value = minute === null ? undefined : this.#values[minute];
    this.cross.setAttribute("visibility", minute === null ? "hidden" : "visible");
    this.dot.hidden = typeof value !== "number";
    if (minute === null) return setText(this.readout, this.#points.length > 0 ? `${HIGHEST} ${this.write(this.#points.at(-1).value)}` : "");
    const x = this.#x(minute + 0.5);
    this.cross.setAttribute("x1", x);
    this.cross.setAttribute("x2", x);
    if (typeof value === "number") {
      this.dot.style.left = `${(x / WIDTH) * 100}%`;
      this.dot.style.top = `${(this.#y(value) / HEIGHT) * 100}%`;
    }
    setText(this.readout, `${this.#time({ minute })}  ${typeof value === "number" ? this.write(value) : "no report"}`);
  }

  #time({ minute }) {
    return clock(this.start + minute * MINUTE_MS);
  }

  #x(minute) {
    return Math.round((minute / MINUTES) * WIDTH * 10) / 10;
  }

  #y(value) {
    return Math.round(HEIGHT * (1 - Math.min(1, value / this.highest)) * 10) / 10;
  }
}
