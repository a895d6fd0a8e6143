// The list: a grid of which only the rows in sight are in the document.

import { el, setAttribute, setText } from "./dom.js";
import { COLUMNS } from "./columns.js";

const ROW_HEIGHT = 40;
// Rows beyond the edges, so that a quick scroll does not show gaps.
const OVERSCAN = 6;

/** Calls `open(id)` when a row is chosen and `sort(column)` when a heading is. */
export class Table {
  #rows = [];
  #places = new Map();
  #pool = [];
  #active = null;
  #opened = null;
  #waits = false;

  constructor({ open, sort, linkTo }) {
    this.linkTo = linkTo;
    this.headings = COLUMNS.map((column) => heading(column, sort));
    this.body = el("div.rows", { role: "rowgroup" });
    this.node = el(
      "div.grid",
      { role: "grid", id: "sandboxes", tabindex: "0", "aria-label": "Sandboxes", "aria-colcount": COLUMNS.length },
      el("div", { role: "rowgroup", class: "head" }, el("div.row", { role: "row", "aria-rowindex": "1" }, ...this.headings)),
      this.body,
    );
    this.node.addEventListener("scroll", () => this.#soon(), { passive: true });
    this.node.addEventListener("keydown", (event) => this.#key(event, open));
    this.node.addEventListener("focus", () => this.#activate(this.#active ?? this.#rows[0]?.id, { reveal: false }));
    this.body.addEventListener("click", (event) => this.#click(event, open));
    new ResizeObserver(() => this.#soon()).observe(this.node);
  }

  /** Shows these rows; `sort` is the column, or `-column`, that they are ordered by. */
  show(rows, sort) {
    this.#rows = rows;
    this.#places = new Map(rows.map((row, place) => [row.id, place]));
    this.body.style.height = `${rows.length * ROW_HEIGHT}px`;
    setAttribute(this.node, "aria-rowcount", rows.length + 1);
    for (const [index, column] of COLUMNS.entries()) {
      const direction = sort === column.name ? "ascending" : sort === `-${column.name}` ? "descending" : null;
      setAttribute(this.headings[index], "aria-sort", direction);
    }
    this.#draw();
  }

  /** Brings rows that are in sight up to date. */
  refresh(rowOf) {
    this.#rows = this.#rows.map((row) => rowOf(row.id) ?? row);
    this.#soon();
  }

  /** Marks the row of the sandbox that is open, and makes it the one that keys start from. */
  mark(id) {
    if (id === this.#opened) return;
    this.#opened = id;
    if (id !== null) this.#activate(id);
    this.#soon();
  }

  focus() {
    this.node.focus({ preventScroll: true });
  }

  /** The sandbox that is `by` rows from the active one, made active. */
  move(by) {
    const place = this.#places.get(this.#active) ?? (by > 0 ? -1 : this.#rows.length);
    const next = this.#rows[Math.max(0, Math.min(this.#rows.length - 1, place + by))];
    if (next) this.#activate(next.id);
  }

  #activate(id, { reveal = true } = {}) {
    this.#active = id ?? null;
    const place = this.#places.get(id);
    if (place !== undefined && reveal) {
      const [top, view] = [place * ROW_HEIGHT, this.node.clientHeight - this.body.offsetTop];
      if (top < this.node.scrollTop) this.node.scrollTop = top;
      else if (top + ROW_HEIGHT > this.node.scrollTop + view) this.node.scrollTop = top + ROW_HEIGHT - view;
    }
    this.#draw();
  }

  #key(event, open) {
    if (event.target !== this.node || event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor((this.node.clientHeight - this.body.offsetTop) / ROW_HEIGHT) - 1);
    const steps = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key === "Enter" && this.#places.has(this.#active)) open(this.#active);
    else if (event.key in steps) this.move(steps[event.key]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #click(event, open) {
    const id = event.target.closest("[role=row]")?.dataset.id;
    // Links are for other tabs and windows.
    if (id === undefined || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (String(getSelection()) === "") open(id);
  }

  // Once per frame, whatever happens in it.
  #soon() {
    if (this.#waits) return;
    this.#waits = true;
    requestAnimationFrame(() => {
      this.#waits = false;
      this.#draw();
    });
  }

  #draw() {
    const first = Math.max(0, Math.floor(this.node.scrollTop / ROW_HEIGHT) - OVERSCAN);
    const last = Math.min(this.#rows.length, Math.ceil((this.node.scrollTop + this.node.clientHeight) / ROW_HEIGHT) + OVERSCAN);
    while (this.#pool.length < last - first) this.#pool.push(this.#makeRow());
    while (this.#pool.length > Math.max(0, last - first)) this.#pool.pop().node.remove();
    // A row keeps its node while it is in sight, whatever is above it: place n is always in node n mod their number.
    for (let place = first; place < last; place += 1) {
      this.#fillRow(this.#pool[place % this.#pool.length], this.#rows[place], place);
    }
    const seen = this.#places.get(this.#active);
    const inSight = seen !== undefined && seen >= first && seen < last;
    setAttribute(this.node, "aria-activedescendant", inSight ? `row-${seen}` : null);
  }

  #makeRow() {
    const cells = COLUMNS.map((column) => {
      const node = el(`div.cell.${column.name}`, { role: "gridcell" });
      return { node, update: column.make(node, this.linkTo) };
    });
    const node = el("div.row", { role: "row" }, ...cells.map((cell) => cell.node));
    this.body.append(node);
    return { node, cells };
  }

  #fillRow({ node, cells }, row, place) {
    node.style.transform = `translateY(${place * ROW_HEIGHT}px)`;
    setAttribute(node, "id", `row-${place}`);
    setAttribute(node, "aria-rowindex", place + 2);
    setAttribute(node, "data-id", row.id);
    setAttribute(node, "data-state", row.state);
    setAttribute(node, "aria-selected", row.id === this.#opened);
    node.classList.toggle("active", row.id === this.#active);
    for (const cell of cells) cell.update(row);
  }
}

function heading({ name, title, hint }, sort) {
  const button = el("button", { type: "button", title: hint ?? null, onclick: () => sort(name) }, el("span", {}, title));
  return el(`div.cell.${name}`, { role: "columnheader" }, button);
}
