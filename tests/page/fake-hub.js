// A hub of the tests' own, for what the real one cannot be made to show in a test's time: an hour of history, refusals,
// silence. It serves the page's files as they are in the repository and answers as docs/protocol.md says.

import { once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";

import { until } from "../npm/until.js";

const FILES = fileURLToPath(new URL("../../host/hub/src/page/static/", import.meta.url));
const TYPES = { html: "text/html; charset=utf-8", css: "text/css", js: "text/javascript", svg: "image/svg+xml" };
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";
const PAGE = 1000;

/** Starts one; `sandboxes` are whole ones by id, and `history(id)` their points. */
export async function fakeHub({ sandboxes = [], events = [], history = () => [] } = {}) {
  const fleet = new Map(sandboxes.map((sandbox) => [sandbox.id, sandbox]));
  const streams = new Set();
  const hub = {
    fleet,
    events,
    /** What to answer instead of the stream: a status. */
    refuseStream: null,
    /** How long one sandbox is looked up, in milliseconds. */
    delayMs: 0,
    /** What to answer instead of the list: a status. */
    refuseList: null,
    streams,
    /** The `Last-Event-ID` of each stream that was opened. */
    resumedAfter: [],
    reset: () => tell({ type: "reset", data: {} }),
    /** Waits until so many streams have been opened. */
    opened: (number) => until(`${number} streams`, () => hub.resumedAfter.length >= number),
    /** Tells every page that these sandboxes reported. */
    beat: (...ids) => tell({ type: "beats", data: { sandboxes: ids.map((id) => brief(fleet.get(id))) } }),
    event(event) {
      const whole = { id: events.length + 1, at: new Date().toISOString(), ...event };
      events.unshift(whole);
      tell({ id: whole.id, type: whole.type, data: whole });
    },
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  const tell = ({ id, type, data }) => {
    const head = id === undefined ? "" : `id: ${id}\n`;
    for (const stream of streams) stream.write(`${head}event: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
  };
  const server = createServer((request, response) => answer(hub, history, request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  hub.url = `http://127.0.0.1:${server.address().port}`;
  return hub;
}

function answer(hub, history, request, response) {
  const url = new URL(request.url, "http://hub");
  const json = (status, body) => {
    response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" });
    response.end(JSON.stringify(body));
  };
  const [, id, part] = /^\/api\/v1\/sandboxes\/([^/]+)(?:\/(\w+))?$/.exec(url.pathname) ?? [];
  if (url.pathname === "/" || url.pathname.startsWith("/page/")) return file(url.pathname, response);
  if (url.pathname === "/api/v1/sandboxes" && hub.refuseList !== null) return json(hub.refuseList, { code: hub.refuseList, message: "the list cannot be had" });
  if (url.pathname === "/api/v1/sandboxes") return json(200, list(hub, url.searchParams));
  if (url.pathname === "/api/v1/fleet") return json(200, summary(hub));
  if (url.pathname === "/api/v1/events" && request.headers.accept === "text/event-stream") return stream(hub, request, response);
  if (url.pathname === "/api/v1/events") return json(200, happened(hub.events, url.searchParams));
  const sandbox = hub.fleet.get(decodeURIComponent(id ?? ""));
  if (!sandbox) return json(404, { code: 404, message: "no sandbox has this id" });
  if (part === "events") return json(200, happened(hub.events.filter((event) => event.sandboxId === sandbox.id), url.searchParams));
  if (part === "history") return json(200, { stepSecs: 60, points: history(sandbox.id) });
  setTimeout(() => json(200, { sandbox }), hub.delayMs);
}

function happened(events, fields) {
  const before = events.filter(({ id }) => id < Number(fields.get("cursor") ?? Infinity));
  const page = before.slice(0, Number(fields.get("limit")));
  return { events: page, nextCursor: page.length < before.length ? String(page.at(-1).id) : undefined };
}

function list({ fleet }, fields) {
  const asked = [...fields].filter(([name]) => !["limit", "cursor"].includes(name));
  const matches = (id) => asked.every(([name, value]) => FILTERS[name](fleet.get(id), value));
  const found = [...fleet.keys()].sort().filter(matches);
  const ids = found.filter((id) => id > (fields.get("cursor") ?? ""));
  const page = ids.slice(0, Number(fields.get("limit") ?? PAGE));
  return { sandboxes: page.map((id) => brief(fleet.get(id))), total: found.length, nextCursor: page.length < ids.length ? page.at(-1) : undefined };
}

const FILTERS = {
  liveness: (sandbox, value) => sandbox.liveness === value,
  overdue: (sandbox, value) => String(sandbox.overdue ?? false) === value,
  suspect: (sandbox, value) => String(sandbox.suspect ?? false) === value,
  failing: (sandbox, value) => failing(sandbox)[value],
  search: ({ id, name, agentInfo }, value) => [id, name, agentInfo?.hostname ?? ""].some((text) => text.toLowerCase().includes(value.toLowerCase())),
};

function failing({ agentInfo }) {
  const [processes, collectors] = [agentInfo?.health.processesFailed > 0, agentInfo?.health.collectorsFailed > 0];
  return { processes, collectors, any: processes || collectors };
}

function summary({ fleet }) {
  const standing = (liveness) => [...fleet.values()].filter((sandbox) => sandbox.liveness === liveness).length;
  const failed = (what) => [...fleet.values()].filter((sandbox) => failing(sandbox)[what]).length;
  return {
    total: fleet.size,
    liveness: { neverReported: standing("never-reported"), live: standing("live"), lost: standing("lost"), stopped: standing("stopped") },
    overdue: [...fleet.values()].filter(({ overdue }) => overdue).length,
    suspect: [...fleet.values()].filter(({ suspect }) => suspect).length,
    failing: { processes: failed("processes"), collectors: failed("collectors"), any: failed("any") },
    reportsPerSec: fleet.size / 30,
  };
}

function stream(hub, request, response) {
  if (hub.refuseStream !== null) {
    response.writeHead(hub.refuseStream, { "content-type": "application/json" });
    return response.end(JSON.stringify({ code: hub.refuseStream, message: "too many streams" }));
  }
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  response.write(": here\n\n");
  hub.streams.add(response);
  hub.resumedAfter.push(request.headers["last-event-id"]);
  request.on("close", () => hub.streams.delete(response));
}

function file(path, response) {
  const name = path === "/" ? "index.html" : path.split("/").at(-1);
  if (!readdirSync(FILES).includes(name)) return response.writeHead(404).end();
  let text = readFileSync(FILES + name, "utf8");
  if (name === "index.html") text = text.replaceAll("{assets}", "/page/0").replace("{preloads}", "");
  response.writeHead(200, { "content-type": TYPES[name.split(".").at(-1)], "content-security-policy": POLICY });
  response.end(text);
}

// What a list leaves out.
function brief({ resources, metrics, processes, plugins, rejected, gap, resumed, trigger, unchanged, ...sandbox }) {
  const { metadata, ...agentInfo } = sandbox.agentInfo ?? {};
  return { ...sandbox, agentInfo: sandbox.agentInfo && agentInfo };
}
