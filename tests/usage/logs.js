// Logs in the form in which Claude Code 2.1, Codex 0.144 and OpenCode 1.1 write them, without their text.

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Writes files below a home: a list of lines or objects, or the text itself. */
export function write(home, files) {
  for (const [path, content] of Object.entries(files)) {
    const file = join(home, path);
    mkdirSync(dirname(file), { recursive: true });
    const lines = Array.isArray(content) ? content : [content];
    const text = lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line)));
    writeFileSync(file, Array.isArray(content) ? text.map((line) => `${line}\n`).join("") : text[0]);
  }
}

/** A time of the day of the tests, in seconds from its begin. */
export function at(seconds) {
  return new Date(Date.UTC(2026, 8, 1, 10) + seconds * 1000).toISOString();
}

/** A message of Claude Code: `usage` is [input, output, cache read, cache write]. */
export function claude(id, usage, { model = "claude-opus-4-8", request = `req_${id}`, more = {}, of = {} } = {}) {
  const [input_tokens, output_tokens, cache_read_input_tokens = 0, cache_creation_input_tokens = 0] = usage;
  const counts = { input_tokens, cache_creation_input_tokens, cache_read_input_tokens, output_tokens, ...of };
  const content = [{ type: "text", text: 'said "usage":{"input_tokens":1} and more' }];
  return {
    parentUuid: null,
    isSidechain: false,
    userType: "external",
    cwd: "/w",
    sessionId: "0b5f",
    version: "2.1.218",
    gitBranch: "main",
    message: { model, id: `msg_${id}`, type: "message", role: "assistant", content, stop_reason: null, usage: counts },
    requestId: request,
    type: "assistant",
    uuid: `uuid-${id}`,
    timestamp: at(id),
    ...more,
  };
}

/** The first line of a session of Codex. */
export function meta(id, seconds, more = {}) {
  const payload = { id, timestamp: at(seconds), cwd: "/w", originator: "codex_cli_rs", cli_version: "0.144.0", ...more };
  return { timestamp: at(seconds), type: "session_meta", payload };
}

/** What names the model of what follows. */
export function turn(model, seconds = 0) {
  return { timestamp: at(seconds), type: "turn_context", payload: { cwd: "/w", approval_policy: "never", model } };
}

/** Counts of Codex: input with what was cached of it, output with what was reasoning of it. */
export function counts(input, cached, output, reasoning = 0, more = {}) {
  return {
    input_tokens: input,
    cached_input_tokens: cached,
    output_tokens: output,
    reasoning_output_tokens: reasoning,
    total_tokens: input + output,
    ...more,
  };
}

/** The event with the sums of a session, and what the last request took. */
export function tokenCount(seconds, total, last) {
  const info = { total_token_usage: total, last_token_usage: last, model_context_window: 272000 };
  return { timestamp: at(seconds), type: "event_msg", payload: { type: "token_count", info, rate_limits: null } };
}

/** A session of Codex with requests of these counts, one a minute. */
export function session(id, seconds, model, requests, more = {}) {
  const lines = [meta(id, seconds, more), turn(model, seconds)];
  let total = [0, 0, 0, 0];
  requests.forEach((request, i) => {
    total = total.map((sum, part) => sum + (request[part] ?? 0));
    lines.push(said(seconds + i * 60), tokenCount(seconds + 20 + i * 60, counts(...total), counts(...request)));
  });
  return lines;
}

/** A part of a conversation, which does not count. */
export function said(seconds) {
  const content = [{ type: "output_text", text: '{"type":"token_count","input_tokens":7}' }];
  return { timestamp: at(seconds), type: "response_item", payload: { type: "message", role: "assistant", content } };
}

/** Where Codex keeps a session. */
export function rollout(name, folder = "sessions/2026/09/01") {
  return `.codex/${folder}/rollout-2026-09-01T${name}.jsonl`;
}

/** A message of OpenCode. */
export function opencode(id, tokens, more = {}) {
  return JSON.stringify({
    id: `msg_${id}`,
    sessionID: "ses_1",
    role: "assistant",
    time: { created: Date.parse(at(id)), completed: Date.parse(at(id + 1)) },
    modelID: "claude-opus-4-8",
    providerID: "anthropic",
    path: { cwd: "/w", root: "/w" },
    cost: 0,
    tokens,
    ...more,
  }, null, 2);
}

/** Where OpenCode keeps a message. */
export function message(id, session = "ses_1") {
  return `.local/share/opencode/storage/message/${session}/msg_${id}.json`;
}
