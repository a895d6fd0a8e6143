// The fleet at a glance: how many stand how, each number a filter.

import { el, setAttribute, setText } from "./dom.js";
import { STATES, TROUBLES } from "./fleet.js";
import { count } from "./format.js";
import { STATE } from "./words.js";

/** Calls `choose(groups)` when the reader wants to see other groups; none means all. */
export class Glance {
  #chosen = [];

  constructor({ choose }) {
    this.all = tile(null, "All", "Every sandbox", () => choose([]));
    this.tiles = [...STATES, ...TROUBLES].map((group) => {
      const [title, meaning] = STATE[group];
      return [group, tile(group, title, meaning, () => choose(toggled(this.#chosen, group)))];
    });
    this.bar = el("div.proportions", { "aria-hidden": "true" }, ...STATES.map((state) => el("i", { "data-state": state })));
    const buttons = [this.all, ...this.tiles.map(([, node]) => node)];
    this.node = el("div.glance", {}, el("div.tiles", { role: "group", "aria-label": "Show only" }, ...buttons), this.bar);
  }

  /** Shows the counts, and which groups are chosen. */
  show({ total, countOf, chosen }) {
    this.#chosen = chosen;
    fill(this.all, total, chosen.length === 0);
    for (const [group, node] of this.tiles) fill(node, countOf(group), chosen.includes(group));
    for (const part of this.bar.children) {
      const size = countOf(part.dataset.state);
      part.hidden = size === 0;
      part.style.flexGrow = size;
    }
  }
}

function tile(group, title, meaning, choose) {
  const mark = group === null ? null : el("i.mark", { "aria-hidden": "true" });
  const label = el("span.label", {}, mark, title);
  return el("button.tile", { type: "button", title: meaning, "data-state": group, onclick: choose }, el("span.number", {}, "–"), label);
}

function fill(node, number, pressed) {
  setText(node.firstChild, count(number));
  setAttribute(node, "aria-pressed", pressed);
  node.toggleAttribute("data-none", number === 0);
}

function toggled(groups, group) {
  return groups.includes(group) ? groups.filter((other) => other !== group) : [...groups, group];
}
