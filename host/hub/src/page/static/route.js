// The state of the view in the address, so that links, reloads and the back button work. Pure but for `location`.

/** What is shown when the address says nothing. */
export const DEFAULT = { is: [], q: "", sort: "state", open: null, load: 50_000 };
// Beyond the default the page gets slow; how slow, the machine says.
const LOADED = { least: 1000, most: 1_000_000 };

/** The state that a fragment names. Nothing in it is trusted. */
export function parse(hash) {
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  return {
    is: [...new Set((fields.get("is") ?? "").split(",").filter(Boolean))],
    q: fields.get("q") ?? DEFAULT.q,
    sort: fields.get("sort") || DEFAULT.sort,
    open: fields.get("open") || null,
    load: bounded(fields.get("load")),
  };
}

/** The fragment for a state; the default has none. */
export function format({ is, q, sort, open, load }) {
  const fields = new URLSearchParams();
  if (is.length > 0) fields.set("is", is.join(","));
  if (q !== "") fields.set("q", q);
  if (sort !== DEFAULT.sort) fields.set("sort", sort);
  if (open !== null) fields.set("open", open);
  if (load !== DEFAULT.load) fields.set("load", load);
  const text = fields.toString().replaceAll("%2C", ",");
  return text === "" ? "" : `#${text}`;
}

function bounded(text) {
  if (text === null || !/^\d{1,9}$/.test(text)) return DEFAULT.load;
  return Math.max(LOADED.least, Math.min(LOADED.most, Number(text)));
}
