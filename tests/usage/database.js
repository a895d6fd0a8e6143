// OpenCode's database, written by SQLite itself: Python has it, and Node does only from 22 on.

import { spawnSync } from "node:child_process";
import { mkdirSync, utimesSync } from "node:fs";
import { join } from "node:path";

// It ends without closing the connection, so that what is in the log stays there.
const SCRIPT = `
import json, os, sqlite3, sys
path, mode, statements = json.load(sys.stdin)
connection = sqlite3.connect(path, isolation_level=None)
connection.execute("pragma journal_mode = " + mode)
for statement in statements:
    connection.execute(*statement)
os._exit(0)
`;

const TIMES = "time_created integer NOT NULL, time_updated integer NOT NULL";
const TABLES = [
  `CREATE TABLE IF NOT EXISTS message (id text PRIMARY KEY, session_id text NOT NULL, ${TIMES}, data text NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS session_message (id text PRIMARY KEY, session_id text NOT NULL, type text NOT NULL,
   seq integer NOT NULL, ${TIMES}, data text NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS part (id text PRIMARY KEY, message_id text NOT NULL, data text NOT NULL)`,
];

/** Runs statements, each with its parameters, on a database of OpenCode below a home. */
export function database(home, statements, { name = "opencode.db", mode = "wal" } = {}) {
  const folder = join(home, ".local/share/opencode");
  mkdirSync(folder, { recursive: true });
  const all = [...TABLES.map((sql) => [sql]), ...statements];
  const path = join(folder, name);
  const ended = spawnSync("python3", ["-c", SCRIPT], { input: JSON.stringify([path, mode, all]), encoding: "utf8" });
  if (ended.status !== 0) throw new Error(`python3: ${ended.stderr}${ended.error ?? ""}`);
  // One that was written to a moment ago is left for the next collect.
  const then = Date.now() / 1000 - 10;
  utimesSync(path, then, then);
}

/** Writes a message, anew where it is there. */
export function row(id, data, session = "ses_1") {
  const { id: _, sessionID, ...rest } = typeof data === "string" ? JSON.parse(data) : data;
  const created = rest.time.created;
  const sql = "INSERT INTO message VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET data = excluded.data";
  return [sql, [`msg_${id}`, session, created, created, JSON.stringify(rest)]];
}

/** Writes an answer as OpenCode 2 does, with what was said in it. */
export function answer(id, tokens, { type = "assistant", more = {}, session = "ses_1" } = {}) {
  const data = {
    agent: "build",
    model: { id: "claude-opus-4-8", providerID: "anthropic" },
    content: [{ type: "text", text: 'said "tokens":{"input":1} and more, '.repeat(500) }],
    cost: 0,
    tokens,
    time: { created: 1788256800000, completed: 1788256801000 },
    ...more,
  };
  const sql = "INSERT INTO session_message VALUES (?, ?, ?, 1, 1788256800000, 1788256800000, ?)";
  return [sql, [id, session, type, JSON.stringify(data)]];
}

/** Writes what was said in a message, which does not count and lies between the messages. */
export function part(id, length) {
  return ["INSERT INTO part VALUES (?, ?, ?)", [`prt_${id}`, `msg_${id}`, "x".repeat(length)]];
}
