// Elements. Everything that a sandbox says reaches the page as a text node or an attribute's value made here, so that
// it can never become markup, and with what would change the order in which it is read written out.

// What Unicode has for the direction of writing (UAX #9), separators of lines, and what cannot be seen; the command line
// writes the same out.
const MISLEADING = /[\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;
const SVG = "http://www.w3.org/2000/svg";

/** An element: `el("p.note", { role: "status", onclick: f }, "text", child)`. What is null or undefined is left out. */
export function el(selector, attributes = {}, ...children) {
  const [tag, ...classes] = selector.split(".");
  const node = document.createElement(tag);
  if (classes.length > 0) node.className = classes.join(" ");
  return fill(node, attributes, children);
}

/** The same in SVG. */
export function svg(selector, attributes = {}, ...children) {
  const [tag, ...classes] = selector.split(".");
  const node = document.createElementNS(SVG, tag);
  if (classes.length > 0) node.setAttribute("class", classes.join(" "));
  return fill(node, attributes, children);
}

/** Sets an element's text, without touching a document that says it already. */
export function setText(node, text) {
  const shown = inOrder(text);
  if (node.textContent !== shown) node.textContent = shown;
}

/** Sets an attribute, or takes it away for null, without touching a document that has it already. */
export function setAttribute(node, name, value) {
  if (value === null || value === undefined) return node.removeAttribute(name);
  const shown = inOrder(value);
  if (node.getAttribute(name) !== shown) node.setAttribute(name, shown);
}

const kept = new WeakMap();

/**
 * Makes the children of `parent` those of `items`, in their order. A child whose key stays is kept, so that focus,
 * selection and open details survive; `make(item)` gives a new one, `update(node, item)` brings each up to date.
 */
export function keyed(parent, items, keyOf, make, update) {
  const before = kept.get(parent) ?? new Map();
  const after = new Map();
  let place = parent.firstChild;
  for (const item of items) {
    const key = keyOf(item);
    if (after.has(key)) continue;
    const node = before.get(key) ?? make(item);
    update(node, item);
    after.set(key, node);
    if (node === place) place = place.nextSibling;
    else parent.insertBefore(node, place);
  }
  for (const [key, node] of before) if (!after.has(key)) node.remove();
  kept.set(parent, after);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : inOrder(value));
  }
  const shown = children.filter((child) => child !== null && child !== undefined);
  node.append(...shown.map((child) => (child instanceof Node ? child : inOrder(child))));
  return node;
}

function inOrder(text) {
  return String(text ?? "").replace(MISLEADING, (sign) => `\\u{${sign.codePointAt(0).toString(16)}}`);
}
