// The parts of a sandbox's details that are lists: processes, collectors, metrics, metadata, what was not accepted.
// Each is `{ node, update(sandbox) }`, and hides itself or says so where there is nothing.

import { details } from "./cells.js";
import { el, setText } from "./dom.js";
import { scrolls } from "./figures.js";
import { bytes, count, counted, duration, histogram, quantity } from "./format.js";
import { TONE } from "./words.js";

// As many as are read at once, and as many more as a click adds.
const METRICS_SHOWN = 200;

export function processes() {
  const table = details("Processes", [["Process"], ["State", "whole"], ["Restarts", "number"], ["Uptime", "number"], ["Last run"], ["Last error", "prose"]]);
  return listed("processes", "Processes", table, "This sandbox supervises no processes.", ({ processes = {} }) =>
    Object.entries(processes).map(([name, process]) => ({
      key: name,
      cells: [
        { text: name, note: [process.baseUrl, process.pid && `pid ${process.pid}`].filter(Boolean).join(" · ") },
        { text: process.status, tone: TONE[process.status], note: phase(process) },
        { text: count(process.restartCount), tone: process.restartCount > 0 ? "warn" : "" },
        process.uptimeMs === undefined ? "" : duration(process.uptimeMs / 1000),
        ending(process),
        process.lastError ?? "",
      ],
    })),
  );
}

export function collectors() {
  const table = details("Collectors", [["Collector"], ["State", "whole"], ["Calls", "number"], ["Takes", "number"], ["What is wrong", "prose"], ["May", "prose"]]);
  return listed("collectors", "Collectors", table, "No collectors are installed.", ({ plugins = [] }) =>
    plugins.map((plugin) => ({
      key: plugin.name,
      cells: [
        { text: plugin.name, note: plugin.version, title: plugin.digest },
        { text: plugin.state, tone: TONE[plugin.state], note: plugin.failure },
        { text: count(plugin.calls), note: plugin.failures > 0 ? `${count(plugin.failures)} failed` : "" },
        takes(plugin),
        wrong(plugin),
        (plugin.grants ?? []).join("\n"),
      ],
    })),
  );
}

export function metadata() {
  const reported = details("Reported metadata", [["Reported"], ["Value", "prose"]]);
  const registered = details("Registered metadata", [["Registered"], ["Value", "prose"]]);
  const none = el("p.empty", {}, "Neither registered nor reported.");
  const tally = el("span.tally");
  const node = section("metadata", "Metadata", tally, scrolls(registered), scrolls(reported), none);
  return {
    node,
    update({ metadata = {}, agentInfo }) {
      const parts = [
        [registered, Object.entries(metadata)],
        [reported, Object.entries(agentInfo?.metadata ?? {})],
      ];
      for (const [table, entries] of parts) {
        table.update(entries.map(([key, value]) => ({ key, cells: [key, value] })));
        table.node.parentNode.hidden = entries.length === 0;
      }
      const all = parts[0][1].length + parts[1][1].length;
      setText(tally, all === 0 ? "" : count(all));
      none.hidden = all > 0;
    },
  };
}

export function metrics() {
  const table = details("Metrics", [["Metric"], ["Value", "number"], ["Attributes", "prose"], ["Collector"], ["Age", "number"]]);
  const filter = el("input", { type: "search", placeholder: "Filter metrics", "aria-label": "Filter metrics", spellcheck: "false", autocomplete: "off" });
  const more = el("button.quiet", { type: "button" });
  const none = el("p.empty");
  const tally = el("span.tally");
  const node = section("metrics", "Metrics", tally, filter, scrolls(table), none, more);
  let [all, most] = [[], METRICS_SHOWN];
  const show = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = all.filter(({ text }) => words.every((word) => text.includes(word)));
    table.update(found.slice(0, most));
    table.node.parentNode.hidden = found.length === 0;
    none.hidden = found.length > 0;
    setText(none, all.length === 0 ? "No collector has brought a metric." : "No metric matches.");
    more.hidden = found.length <= most;
    setText(more, `Show ${count(Math.min(METRICS_SHOWN, found.length - most))} more of ${count(found.length)}`);
    setText(tally, all.length === 0 ? "" : words.length > 0 ? `${count(found.length)} of ${count(all.length)}` : count(all.length));
    filter.hidden = all.length === 0;
  };
  filter.addEventListener("input", show);
  more.addEventListener("click", () => {
    most += METRICS_SHOWN;
    show();
  });
  return {
    node,
    update({ metrics = [] }) {
      all = metrics.map(metricRow);
      show();
    },
    reset() {
      [filter.value, most] = ["", METRICS_SHOWN];
    },
  };
}

export function rejected() {
  const table = details("Not accepted by the agent", [["From"], ["Name"], ["Reason", "prose"], ["Count", "number"]]);
  const part = listed("rejected", "Not accepted", table, "", ({ rejected = [] }) =>
    rejected.slice(0, METRICS_SHOWN).map(({ plugin, name, reason, count: number }, index) => ({
      key: `${index} ${plugin} ${name}`,
      cells: [plugin ?? "the operator", name ?? "", reason ?? "", count(number ?? 1)],
    })),
  );
  const update = (sandbox) => {
    part.update(sandbox);
    part.node.hidden = (sandbox.rejected ?? []).length === 0;
  };
  return { node: part.node, update };
}

/** A section with a heading that can be jumped to. */
export function section(name, title, ...children) {
  const heading = el("h3", { id: `section-${name}` }, title);
  const beside = children.filter((child) => child.matches("span.tally, input"));
  const below = children.filter((child) => !beside.includes(child));
  return el(`section.${name}`, { "aria-labelledby": heading.id }, el("div.bar", {}, heading, ...beside), ...below);
}

function listed(name, title, table, empty, rowsOf) {
  const none = el("p.empty", {}, empty);
  const tally = el("span.tally");
  const node = section(name, title, tally, scrolls(table), none);
  return {
    node,
    update(sandbox) {
      const rows = rowsOf(sandbox);
      table.update(rows);
      table.node.parentNode.hidden = rows.length === 0;
      none.hidden = rows.length > 0;
      setText(tally, rows.length > 0 ? count(rows.length) : "");
    },
  };
}

function phase({ status, phase, nextRestartMs }) {
  if (phase === "backing-off" && nextRestartMs !== undefined) return `backing off, again in ${duration(nextRestartMs / 1000)}`;
  // What is ready runs, and says nothing more.
  return phase === undefined || (status === "running" && phase === "ready") ? "" : phase.replace("-", " ");
}

function ending({ exitCode, exitSignal, outOfMemory }) {
  if (outOfMemory) return { text: exitSignal ?? "killed", tone: "bad", note: "out of memory" };
  if (exitSignal !== undefined) return { text: exitSignal, tone: "warn" };
  if (exitCode !== undefined) return { text: `code ${exitCode}`, tone: exitCode === 0 ? "" : "warn" };
  return "";
}

function takes({ durationMs, peakMemoryBytes }) {
  if (!durationMs) return "";
  const title = `last ${duration(durationMs.last / 1000)}, median ${duration(durationMs.p50 / 1000)}, 99th percentile ${duration(durationMs.p99 / 1000)}`;
  return { text: duration(durationMs.p50 / 1000), title, note: peakMemoryBytes === undefined ? "" : bytes(peakMemoryBytes) };
}

function wrong({ reason, lastError, restsForMs, lastReload, pointsRejected }) {
  const notes = [];
  if (restsForMs !== undefined) notes.push(`rests for ${duration(restsForMs / 1000)}`);
  if (pointsRejected > 0) notes.push(`${counted(pointsRejected, "point")} not accepted`);
  if (lastReload?.result === "refused") notes.push("its changed files are not used");
  if (reason) return { text: reason, note: notes.join(" · ") };
  if (!lastError) return { text: "", note: notes.join(" · ") };
  return { text: `before: ${lastError.failure}, ${lastError.reason}`, time: lastError.at, note: notes.join(" · ") };
}

function metricRow({ name, kind, value, unit, attributes = {}, plugin, ageMs }, index) {
  const pairs = Object.entries(attributes).map(([key, value]) => `${key}=${value}`);
  const shown = kind === "histogram" ? histogram(value ?? {}, unit) : quantity(value, unit);
  const exact = kind === "histogram" ? JSON.stringify(value) : `${value} ${unit ?? ""}`;
  const text = [name, plugin, kind, ...pairs].join("\n").toLowerCase();
  const key = [plugin, name, ...pairs].join("\n") || index;
  const age = { text: duration(Math.round(ageMs / 100) / 10), title: `measured ${ageMs} ms before the report` };
  return { key, text, cells: [{ text: name, note: kind }, { text: shown, title: exact }, pairs.join("\n"), plugin, age] };
}
