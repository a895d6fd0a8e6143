// The fleet at a glance: how many stand how, each number a filter, and how much of it is shown.

import { el, setAttribute, setText } from "./dom.js";
import { STATES, TROUBLES } from "./fleet.js";
import { count, counted } from "./format.js";
import { DEFAULT } from "./route.js";
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

/** How many `rows` of `total` sandboxes a view shows, and what it shows them of where not all are loaded. */
export function shownText({ complete, first, found }, { is, q, sort }, { rows, total }) {
  const all = counted(total, "sandbox", "sandboxes");
  if (complete === null) return rows === 0 ? "Loading…" : `Loading: ${count(rows)} of ${all}`;
  if (total === 0) return "";
  const said = [rows === total ? all : `${count(rows)} of ${all}.`];
  if (complete) return said[0];
  const searched = q.trim() !== "";
  if (is.length === 0 && !searched) {
    said.push(`The first ${count(first)} by id and those in trouble are loaded; the tiles and the search ask the hub.`);
  }
  if (found === null) said.push("Asking the hub…");
  else if (found.failed) said.push(`The hub was asked for those beyond the first ${count(first)} by id in vain: ${found.failed}`);
  else if (!found.whole) said.push("The hub has more of them than are loaded.");
  else if (searched) said.push(`Beyond the first ${count(first)} by id, ids, names and hosts are searched.`);
  const sorted = sort !== DEFAULT.sort;
  if (sorted && (!found?.whole || (is.length === 0 && !searched))) said.push("Only those that are loaded are sorted.");
  return said.join(" ");
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
