// The fleet as the page knows it: what is in it, how many stand how, which of them are to be seen and in which order.
// Pure; times are given.

/** Groups of sandboxes that can be counted and chosen. A sandbox is in one of the first, and in any of the second. */
export const STATES = ["lost", "suspect", "live", "never-reported", "stopped"];
export const TROUBLES = ["process-failed", "collector-failed"];

// Trouble first.
const URGENCY = { lost: 0, suspect: 1, overdue: 3, live: 4, "never-reported": 5, stopped: 6 };
const FAILING = 2;
// An answer that was asked for before a deletion comes within a quarter of this, or never.
const REMEMBERED_MS = 60_000;

// What a column is sorted by; undefined goes last, in both directions.
const SORTS = {
  state: (row) => row.urgency,
  name: (row) => row.order,
  host: (row) => row.info?.hostname.toLowerCase() || undefined,
  image: (row) => row.sandbox.image?.toLowerCase(),
  cpu: (row) => row.info?.metrics.cpuPercent,
  memory: (row) => row.info?.metrics.memoryMB,
  sessions: (row) => row.info?.metrics.sessionCount,
  processes: (row) => row.info && row.info.health.processesFailed * 1e6 + row.info.health.processes,
  collectors: (row) => row.info && row.info.health.collectorsFailed * 1e6 + row.info.health.collectors,
  uptime: (row) => row.info?.uptimeSecs,
  heard: (row) => row.heard,
};
/** Columns whose order changes with every report. */
export const VOLATILE = new Set(["cpu", "memory", "sessions", "uptime", "heard"]);

/** The state of a sandbox as the page names it: its liveness, and `suspect` apart. */
export function stateOf(sandbox) {
  return sandbox.liveness === "live" && sandbox.suspect ? "suspect" : sandbox.liveness;
}

/** Tells of a row whether a view shows it: `is` names groups, `q` has words that must all occur. */
export function shown({ is, q }) {
  const states = is.filter((group) => STATES.includes(group));
  const troubles = is.filter((group) => TROUBLES.includes(group));
  const words = q.toLowerCase().split(/\s+/).filter(Boolean);
  return (row) =>
    (states.length === 0 || states.includes(row.state)) &&
    (troubles.length === 0 || troubles.some((trouble) => row.troubles.includes(trouble))) &&
    words.every((word) => row.text.includes(word));
}

/** Whether a sandbox comes before those that do well. */
export function inTrouble(row) {
  return row.urgency < URGENCY.live;
}

export class Fleet {
  #rows = new Map();
  #gone = new Map();
  #counts = new Map();
  /** Grows with every change of what there is or how it stands. */
  changes = 0;

  get size() {
    return this.#rows.size;
  }

  /** A sandbox's row `{ id, sandbox, info, state, … }`, or undefined. */
  row(id) {
    return this.#rows.get(id);
  }

  /** How many are in a group. */
  count(group) {
    return this.#counts.get(group) ?? 0;
  }

  /**
   * Takes a sandbox as it was at `at`, a new one where `admits(row)`. What is known from a later moment stays, since
   * answers overtake each other. Tells the row before, where there was one, and whether there was anything new.
   */
  put(sandbox, at, admits = () => true) {
    const before = this.#rows.get(sandbox.id);
    if ((before && before.at > at) || this.#gone.get(sandbox.id) > at) return { before, taken: false };
    const row = rowOf(sandbox, at);
    if (!before && !admits(row)) return { before, taken: false };
    this.#rows.set(row.id, row);
    if (before) this.#tally(before, -1);
    this.#tally(row, 1);
    if (!before || before.state !== row.state || before.urgency !== row.urgency) this.changes += 1;
    return { before, taken: true };
  }

  /** Forgets a sandbox that was deleted at `at`. */
  remove(id, at) {
    const row = this.#rows.get(id);
    this.#bury(id, at);
    if (row && row.at <= at) this.#drop(row);
  }

  /** Forgets all that were last heard of before `at`: a whole list came since, and they are not in it. */
  sweep(at) {
    for (const row of this.#rows.values()) if (row.at < at) this.remove(row.id, at);
    this.#gone.clear();
  }

  /** Lets go of the rows that are not to be kept here, though they are in the hub. */
  keep(isKept) {
    for (const row of this.#rows.values()) if (!isKept(row)) this.#drop(row);
  }

  /** The rows that a view shows, in order; `sort` is a column or `-column`. */
  view({ is, q, sort }) {
    return [...this.#rows.values()].filter(shown({ is, q })).sort(comparison(sort));
  }

  #drop(row) {
    this.#rows.delete(row.id);
    this.#tally(row, -1);
    this.changes += 1;
  }

  // The latest deletions are the last in the map.
  #bury(id, at) {
    this.#gone.delete(id);
    this.#gone.set(id, at);
    for (const [other, then] of this.#gone) {
      if (then >= at - REMEMBERED_MS) break;
      this.#gone.delete(other);
    }
  }

  #tally(row, by) {
    for (const group of [row.state, ...row.troubles]) this.#counts.set(group, this.count(group) + by);
  }
}

/** Whether a column can be sorted by. */
export function sortable(sort) {
  return Object.hasOwn(SORTS, sort.replace(/^-/, ""));
}

function comparison(sort) {
  const down = sort.startsWith("-") ? -1 : 1;
  const value = SORTS[sort.replace(/^-/, "")] ?? SORTS.state;
  return (a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x !== y) {
      if (x === undefined) return 1;
      if (y === undefined) return -1;
      return x < y ? -down : down;
    }
    return a.order < b.order ? -1 : a.order > b.order ? 1 : a.id < b.id ? -1 : 1;
  };
}

function rowOf(sandbox, at) {
  const info = sandbox.agentInfo;
  const state = stateOf(sandbox);
  const troubles = [];
  if (info?.health.processesFailed > 0) troubles.push("process-failed");
  if (info?.health.collectorsFailed > 0) troubles.push("collector-failed");
  const urgency = sandbox.overdue ? URGENCY.overdue : URGENCY[state];
  return {
    id: sandbox.id,
    sandbox,
    info,
    state,
    troubles,
    at,
    urgency: state === "live" && troubles.length > 0 ? FAILING : urgency,
    order: natural(sandbox.name),
    heard: info && Date.parse(info.lastHeartbeat),
    text: searchable(sandbox),
  };
}

// `box-2` comes before `box-10`.
function natural(name) {
  return name.toLowerCase().replace(/\d+/g, (digits) => digits.padStart(12, "0"));
}

function searchable({ id, name, image, metadata, agentInfo }) {
  const entries = Object.entries(metadata ?? {}).map(([key, value]) => `${key}=${value}`);
  return [id, name, agentInfo?.hostname ?? "", image ?? "", ...entries].join("\n").toLowerCase();
}
