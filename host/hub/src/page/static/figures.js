// A sandbox's figures: what it uses, of how much, and what it waits for.

import { details, terms } from "./cells.js";
import { el, setAttribute } from "./dom.js";
import { bytes, count, duration, mebibytes, percent, short } from "./format.js";

/** The figures at the top. */
export function figures() {
  const list = terms("Figures");
  list.node.classList.add("tiles");
  return { node: list.node, update: (sandbox) => list.update(tiles(sandbox)) };
}

/** Pressure and disks; hidden where the report has neither. */
export function resources() {
  const pressure = details("Pressure: the part of the time in which tasks waited", [
    ["Pressure"],
    ["10 s", "number"],
    ["1 min", "number"],
    ["5 min", "number"],
    ["In all", "number"],
  ]);
  const disks = details("Disks", [["Disk"], ["Used", "number"], ["Size", "number"], ["Free", "number"], ["Inodes", "number"]]);
  const node = el("section.resources", { "aria-label": "Resources" }, el("h3", {}, "Resources"), scrolls(pressure), scrolls(disks));
  return {
    node,
    update({ resources = {} }) {
      const [stalls, places] = [pressureRows(resources.pressure ?? {}), diskRows(resources.disks ?? [])];
      pressure.update(stalls);
      disks.update(places);
      pressure.node.parentNode.hidden = stalls.length === 0;
      disks.node.parentNode.hidden = places.length === 0;
      node.hidden = stalls.length + places.length === 0;
    },
  };
}

// What scrolls can be reached by keys, and nothing else that only shows can.
const widths = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    setAttribute(target, "tabindex", target.scrollWidth > target.clientWidth ? "0" : null);
  }
});

/** A wide table scrolls by itself, not the page. */
export function scrolls({ node }) {
  const frame = el("div.scrolls", { role: "group", "aria-label": node.caption.textContent }, node);
  widths.observe(frame);
  return frame;
}

function tiles({ agentInfo: info, resources = {}, livenessSince, liveness, createdAt }) {
  if (!info) return [["Registered", { time: createdAt }]];
  const { metrics } = info;
  const cores = resources.cpuLimitCores;
  const tiles = [
    ["CPU", of(metrics.cpuPercent, percent, cores && `of ${short(cores)} ${cores === 1 ? "core" : "cores"}`, sourced(resources.cpuSource))],
    ["Memory", of(metrics.memoryMB, mebibytes, metrics.memoryLimitMB && `of ${mebibytes(metrics.memoryLimitMB)}`, sourced(resources.memorySource))],
    ["Sessions", of(metrics.sessionCount, count)],
    ["Uptime", of(info.uptimeSecs, duration)],
    ["Last report", { time: info.lastHeartbeat, note: `every ${duration(info.expectedSecs)}` }],
    [liveness === "live" ? "Live since" : "So since", { time: livenessSince }],
    ["With file pages", of(resources.memoryUsageBytes, bytes, undefined, "What the limit is held against")],
    ["CPU time", of(resources.cpuTimeSecs, duration)],
    ["Tasks", of(resources.pids, count, resources.pidsLimit && `of ${count(resources.pidsLimit)}`)],
    ["Open files", of(resources.openFiles, count)],
    ["OOM kills", kills(resources.oomKills)],
    ["CPU held back", throttled(resources.cpuThrottling)],
  ];
  return tiles.filter(([, tile]) => tile !== null);
}

function of(value, write, note, title) {
  return value === undefined || value === null ? null : { text: write(value), note: note || undefined, title };
}

function sourced(source) {
  return source && `Measured from ${source}`;
}

function kills(number) {
  return number === undefined ? null : { text: count(number), tone: number > 0 ? "bad" : "" };
}

function throttled(throttling) {
  if (!throttling) return null;
  const { periods, throttledPeriods, throttledSecs } = throttling;
  const part = periods > 0 ? throttledPeriods / periods : 0;
  return { text: duration(throttledSecs), tone: part >= 0.1 ? "warn" : "", note: `in ${percent(part * 100)} of periods` };
}

function pressureRows(pressure) {
  const rows = [];
  for (const [name, title] of [["cpu", "CPU"], ["memory", "Memory"], ["io", "I/O"]]) {
    for (const [kind, word] of [["some", "some waited"], ["full", "all waited"]]) {
      const stall = pressure[name]?.[kind];
      if (!stall) continue;
      const parts = [stall.avg10, stall.avg60, stall.avg300].map((part) => ({ text: percent(part), tone: part >= 20 ? "warn" : "" }));
      rows.push({ key: `${name} ${kind}`, cells: [`${title}, ${word}`, ...parts, duration(stall.totalSecs)] });
    }
  }
  return rows;
}

function diskRows(disks) {
  return disks.map(({ path, sizeBytes, usedBytes, availableBytes, inodes, inodesUsed }, index) => {
    const part = sizeBytes > 0 ? usedBytes / sizeBytes : 0;
    const used = { text: bytes(usedBytes), tone: part >= 0.9 ? "bad" : part >= 0.8 ? "warn" : "", note: percent(part * 100) };
    const files = inodes ? `${percent(((inodesUsed ?? 0) / inodes) * 100)} of ${count(inodes)}` : "";
    return { key: `${index} ${path}`, cells: [path, used, bytes(sizeBytes), bytes(availableBytes), files] };
  });
}
