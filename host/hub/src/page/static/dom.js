// Elements. Everything that a sandbox says reaches the page as a text node or an attribute's value made here, so that
// it can never become markup, and with what cannot be seen or would change the order in which it is read written out.

// The rule and the tables of `host/text/src/lib.rs`, which the command line goes by.
const UNSEEN = "\\p{Default_Ignorable_Code_Point}\\u2028\\u2029\\u2800\\ufff9-\\ufffb";
const JOINING =
  "\\u0620-\\u077f\\u07c0-\\u0dff\\u1000-\\u109f\\u1780-\\u17b3\\u17b6-\\u17dd\\u1820-\\u18aa\\u1b00-\\u1bff\\ua980-\\ua9df" +
  "\\u{11000}-\\u{114ff}\\u{1e900}-\\u{1e95f}";
const EMOJI = "\\u2194-\\u2199\\u2600-\\u27bf\\u2b1b\\u2b1c\\u{1f300}-\\u{1faff}";
const VIRAMAS =
  "\\u094d\\u09cd\\u0a4d\\u0acd\\u0b4d\\u0bcd\\u0c4d\\u0ccd\\u0d4d\\u0dca\\u1039\\u103a\\u17d2\\u1b44\\u1baa\\u1bab\\ua9c0" +
  "\\u{11046}\\u{110b9}\\u{11133}\\u{11134}\\u{1134d}";
const LATIN = "\\u00290-9A-Za-z\\u00bb\\u00c0-\\u024f";
const SIGNS =
  "\\u00a9\\u00ae\\u203c-\\u2049\\u2100-\\u27ff\\u2900-\\u2bff\\u3030-\\u303d\\u3297-\\u3299\\u{1f000}-\\u{1faff}";
const IDEOGRAPHS = "\\u3400-\\u4dbf\\u4e00-\\u9fff\\uf900-\\ufaff\\u{20000}-\\u{3ffff}";
const REGIONS = ["gbeng", "gbsct", "gbwls"];
const TAGS = REGIONS.map((region) => String.fromCodePoint(...[...region].map((letter) => 0xe0000 + letter.codePointAt(0))));
const SEEN = [
  `(?<=[${VIRAMAS}])\\u200d`,
  `(?<=[${JOINING}])\\u200d(?=[${VIRAMAS}])`,
  `(?<=[${EMOJI}]|[${SIGNS}]\\ufe0f)\\u200d(?=[${EMOJI}])`,
  `(?<=[${JOINING}${LATIN}])\\u200c(?=[${JOINING}])`,
  "(?<=[#*0-9])\\ufe0f(?=\\u20e3)",
  `(?<=[${SIGNS}])[\\ufe0e\\ufe0f]`,
  `(?<=[${IDEOGRAPHS}])[\\ufe00-\\ufe02\\u{e0100}-\\u{e01ef}]`,
  "(?<=[\\u1820-\\u18aa])[\\u180b-\\u180d\\u180f]",
  `(?<=\\u{1f3f4})(?:${TAGS.join("|")})\\u{e007f}`,
];
const HIDDEN = new RegExp(`${SEEN.join("|")}|([${UNSEEN}])`, "gu");
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

/** A text with what hides in it written out. */
export function inOrder(text) {
  return String(text ?? "").replace(HIDDEN, (seen, hidden) => (hidden ? `\\u{${hidden.codePointAt(0).toString(16)}}` : seen));
}
