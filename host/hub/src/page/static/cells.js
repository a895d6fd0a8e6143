// Tables of a sandbox's details: their rows are kept from one report to the next, so that nothing jumps or loses focus.

import { el, keyed, setAttribute, setText } from "./dom.js";
import { setSince, since } from "./time.js";

/**
 * A table with these headings. `update` takes rows `{ key, cells }`; a cell is a text, or
 * `{ text, tone?, note?, title?, time?, kind? }`: a tone is `good`, `bad` or `warn`, a note stands below the text, a
 * time (RFC 3339) after it, and a kind is a class of the whole cell, such as `number`.
 */
export function details(caption, headings) {
  const body = el("tbody");
  const names = headings.map(([title, kind]) => el("th", { scope: "col", class: kind ?? null }, title));
  const node = el("table", {}, el("caption.unseen", {}, caption), el("thead", {}, el("tr", {}, ...names)), body);
  const make = () => el("tr", {}, ...headings.map(([, kind], index) => makeCell(index, kind)));
  const update = (line, { cells }) => cells.forEach((cell, index) => fillCell(line.children[index], cell));
  return { node, update: (rows) => keyed(body, rows, (row) => row.key, make, update) };
}

/** A list of terms and what they are; takes pairs `[term, cell]`. */
export function terms(label) {
  const node = el("dl.terms", { "aria-label": label });
  const make = () => el("div", {}, el("dt"), part(el("dd")));
  const update = (line, [term, cell]) => {
    setText(line.firstChild, term);
    fillCell(line.lastChild, cell);
  };
  return { node, update: (pairs) => keyed(node, pairs, ([term]) => term, make, update) };
}

function makeCell(index, kind) {
  return part(index === 0 ? el("th", { scope: "row", class: kind ?? null }) : el("td", { class: kind ?? null }));
}

function part(node) {
  node.append(el("span.text"), el("span.time", {}, since(null)), el("span.note"));
  return node;
}

function fillCell(node, cell) {
  const { text = "", tone, note, title, time } = typeof cell === "string" ? { text: cell } : cell;
  const [shown, when, below] = node.children;
  setText(shown, text);
  setAttribute(shown, "data-tone", tone || null);
  setAttribute(shown, "title", title ?? null);
  setSince(when.firstChild, time ?? null);
  when.hidden = !time;
  setText(below, note ?? "");
  below.hidden = !note;
}
