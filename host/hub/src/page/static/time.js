// Times that tell how long ago they were and go on telling it, by the hub's clock.

import { el, setAttribute, setText } from "./dom.js";
import { ago } from "./format.js";

const ABSOLUTE = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
// `Date` has whole seconds, and an answer takes a while: a smaller difference says nothing.
const NOTICEABLE_MS = 2500;

let ahead = 0;

/** What the hub's clock says, as far as its answers tell. */
export function now() {
  return Date.now() + ahead;
}

/** Learns from the `Date` of an answer how far the two clocks are apart. */
export function learn(date) {
  const difference = Date.parse(date) - Date.now();
  if (!Number.isNaN(difference)) ahead = Math.abs(difference) > NOTICEABLE_MS ? difference : 0;
}

/** An element that says how long ago `at` (RFC 3339) was; the absolute time is its title. */
export function since(at) {
  return setSince(el("time"), at);
}

/** Gives such an element another time; none makes it empty. */
export function setSince(node, at) {
  if (!at) {
    setAttribute(node, "datetime", null);
    setAttribute(node, "title", null);
    setText(node, "");
    return node;
  }
  if (node.getAttribute("datetime") !== at) {
    node.setAttribute("datetime", at);
    node.setAttribute("title", absolute(at));
  }
  tell(node);
  return node;
}

/** A time as the reader's own clock would show it. */
export function absolute(at) {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? String(at) : ABSOLUTE.format(date);
}

/** Hours and minutes. */
export function clock(at) {
  return CLOCK.format(new Date(at));
}

/** Keeps every such element of the document true from now on. */
export function tick() {
  setInterval(() => {
    if (!document.hidden) document.querySelectorAll("time[datetime]").forEach(tell);
  }, 1000);
}

function tell(node) {
  setText(node, ago((now() - Date.parse(node.getAttribute("datetime"))) / 1000));
}
