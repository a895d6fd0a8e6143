// The columns of the list: `make(cell, linkTo)` fills a cell once and returns how a row is put into it.

import { el, setAttribute, setText } from "./dom.js";
import { count, counted, duration, mebibytes, percent } from "./format.js";
import { setSince, since } from "./time.js";
import { STATE } from "./words.js";

export const COLUMNS = [
  { name: "state", title: "State", make: state },
  { name: "name", title: "Sandbox", make: name },
  { name: "host", title: "Host", make: text((row) => row.info?.hostname) },
  { name: "image", title: "Image", make: text((row) => row.sandbox.image) },
  { name: "cpu", title: "CPU", hint: "Of the CPU that it may use", make: cpu },
  { name: "memory", title: "Memory", hint: "The working set, and of what it may use", make: memory },
  { name: "sessions", title: "Sessions", make: text(({ info }) => maybe(info?.metrics.sessionCount, count)) },
  { name: "processes", title: "Processes", make: health("processes", "process", "processes") },
  { name: "collectors", title: "Collectors", make: health("collectors", "collector", "collectors") },
  { name: "uptime", title: "Uptime", make: text(({ info }) => maybe(info?.uptimeSecs, duration)) },
  { name: "heard", title: "Last report", make: heard },
];

function state(cell) {
  const word = el("span");
  const trouble = el("i.trouble", { role: "img", "aria-label": "something fails", title: "A process or a collector fails", hidden: true });
  const badge = el("span.state", {}, el("i.mark", { "aria-hidden": "true" }), word, trouble);
  cell.append(badge);
  return ({ state, sandbox, troubles }) => {
    trouble.hidden = troubles.length === 0;
    const shown = sandbox.overdue ? "overdue" : state;
    setAttribute(badge, "data-state", shown);
    const [title, meaning] = STATE[shown] ?? [shown, ""];
    setText(word, title);
    setAttribute(badge, "title", meaning);
  };
}

function name(cell, linkTo) {
  const title = el("a.title", { tabindex: "-1" });
  const id = el("span.id");
  cell.append(title, id);
  return ({ sandbox }) => {
    setText(title, sandbox.name || sandbox.id);
    setAttribute(title, "href", linkTo(sandbox.id));
    setAttribute(title, "title", sandbox.name);
    setText(id, sandbox.name === sandbox.id ? "" : sandbox.id);
  };
}

function text(of) {
  return (cell) => (row) => {
    const shown = of(row) || "";
    setText(cell, shown);
    setAttribute(cell, "title", shown || null);
  };
}

function cpu(cell) {
  const [figure, bar] = gauge(cell);
  return ({ info }) => {
    const used = info?.metrics.cpuPercent;
    setText(figure, maybe(used, percent));
    fill(bar, used === undefined ? null : used / 100);
  };
}

function memory(cell) {
  const [figure, bar] = gauge(cell);
  return ({ info }) => {
    const { memoryMB: used, memoryLimitMB: limit } = info?.metrics ?? {};
    setText(figure, maybe(used, mebibytes));
    setAttribute(cell, "title", limit && used !== undefined ? `${mebibytes(used)} of ${mebibytes(limit)}` : null);
    fill(bar, limit && used !== undefined ? used / limit : null);
  };
}

function gauge(cell) {
  const figure = el("span.figure");
  const bar = el("i.bar", { "aria-hidden": "true" }, el("i"));
  cell.append(figure, bar);
  return [figure, bar];
}

function fill(bar, part) {
  bar.hidden = part === null;
  if (part === null) return;
  bar.firstChild.style.transform = `scaleX(${Math.max(0, Math.min(1, part))})`;
  setAttribute(bar, "data-level", part >= 0.9 ? "high" : null);
}

function health(kind, one, many) {
  return (cell) => {
    const word = el("span");
    cell.append(word);
    return ({ info }) => {
      const [all, failed] = [info?.health[kind] ?? 0, info?.health[`${kind}Failed`] ?? 0];
      setAttribute(word, "class", failed > 0 ? "failed" : null);
      setText(word, all === 0 ? "" : failed > 0 ? `${count(failed)} of ${count(all)} failed` : count(all));
      setAttribute(cell, "title", all === 0 ? null : `${counted(all, one, many)}, ${count(failed)} failed`);
    };
  };
}

function heard(cell) {
  const time = since(null);
  cell.append(time);
  return ({ info }) => setSince(time, info?.lastHeartbeat ?? null);
}

function maybe(value, write) {
  return value === undefined || value === null ? "" : write(value);
}
