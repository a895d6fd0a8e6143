// The collector agent-usage against ccusage: for each set of logs both have to say the same, by model and in all.
// Where they differ on purpose, the test says so.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";

import { ccusage, sandbeat } from "./both.js";
import { answer, database, part, row } from "./database.js";
import { claude, counts, message, meta, opencode, rollout, said, session, tokenCount, turn, write } from "./logs.js";

const root = mkdtempSync(join(tmpdir(), "sandbeat-usage-"));
after(() => rmSync(root, { recursive: true }));
let homes = 0;

/** Both, on the same logs, and on databases that `prepare` makes. */
function same(agent, name, files, prepare = () => {}) {
  test(name, () => {
    const home = join(root, `home-${homes++}`);
    write(home, files);
    prepare(home);
    const theirs = ccusage(home, agent);
    const ours = sandbeat(home, agent);
    assert.equal(ours.pending, 0);
    for (const model of Object.values(ours.models)) {
      // ccusage leaves OpenCode's reasoning out of the output, and has it in the total.
      if (agent === "opencode") model.output -= model.reasoning;
      delete model.reasoning;
    }
    assert.deepEqual(ours.models, theirs.models);
    assert.equal(ours.total, theirs.total);
    assert.ok(Math.abs(ours.cost - theirs.cost) < 1e-9, `${ours.cost} and ${theirs.cost} USD`);
    assert.ok(ours.total > 0, "nothing was counted");
  });
}

const PROJECT = ".claude/projects/-w";
const CHAT = `${PROJECT}/0b5f.jsonl`;

describe("Claude Code", () => {
  const conversation = [
    { type: "summary", summary: "a summary", leafUuid: "1" },
    { type: "user", message: { role: "user", content: "hello" }, timestamp: "2026-09-01T10:00:00.000Z" },
    claude(1, [10, 1, 3000, 200]),
    claude(1, [10, 40, 3000, 200]),
    claude(2, [12, 7, 3200, 0], { model: "claude-haiku-4-5-20251001" }),
    claude(3, [1, 900, 3200, 5000], { of: { cache_creation: { ephemeral_5m_input_tokens: 2000, ephemeral_1h_input_tokens: 3000 } } }),
  ];
  same("claude", "a conversation", { [CHAT]: conversation });
  same("claude", "copies in other sessions and folders", {
    [CHAT]: conversation,
    [`${PROJECT}/resumed.jsonl`]: [...conversation, claude(4, [5, 6])],
    [`.config/claude/projects/-w/0b5f.jsonl`]: [...conversation, claude(5, [7, 8])],
    [`${PROJECT}/0b5f/subagents/agent-1.jsonl`]: [claude(6, [50, 60], { more: { isSidechain: true } })],
  });
  same("claude", "copies aside of the conversation", {
    [CHAT]: [claude(1, [10, 20, 30, 40]), claude(2, [11, 21])],
    [`${PROJECT}/a-side.jsonl`]: [
      claude(1, [10, 20, 90000, 40], { request: "req_aside", more: { isSidechain: true } }),
      claude(9, [3, 4], { more: { isSidechain: true } }),
    ],
    [`${PROJECT}/z-side.jsonl`]: [claude(2, [1, 2], { request: "req_aside", more: { isSidechain: true } })],
  });
  same("claude", "the same message in two requests", { [CHAT]: [claude(1, [1, 2], { request: "a" }), claude(1, [3, 4], { request: "b" })] });
  same("claude", "messages without a request or an id", {
    [CHAT]: [
      { ...claude(1, [1, 2]), requestId: undefined },
      { ...claude(1, [1, 2]), requestId: undefined },
      { ...claude(2, [5, 6]), message: { ...claude(2, [5, 6]).message, id: undefined } },
      { ...claude(2, [5, 6]), message: { ...claude(2, [5, 6]).message, id: undefined } },
    ],
  });
  same("claude", "a recorded cost", { [CHAT]: [claude(1, [10, 20], { more: { costUSD: 0.25 } }), claude(2, [10, 20])] });
  same("claude", "the fast mode", {
    [CHAT]: [claude(1, [10, 20], { model: "claude-opus-5", of: { speed: "fast" } }), claude(2, [10, 20], { model: "claude-opus-5", of: { speed: "standard" } })],
  });
  const iterations = [
    { type: "message", input_tokens: 1, output_tokens: 2 },
    { type: "advisor_message", model: "claude-opus-5", input_tokens: 100, output_tokens: 7, cache_read_input_tokens: 50 },
    { type: "advisor_message", model: "claude-opus-5", input_tokens: 200, output_tokens: 9 },
  ];
  same("claude", "the advisor", {
    [CHAT]: [claude(1, [1, 2], { of: { iterations } }), claude(1, [1, 2], { of: { iterations } })],
  });
  const progress = (id) => ({ type: "progress", data: { type: "agent_progress", message: claude(id, [5, 6]) } });
  same("claude", "progress of a subagent", {
    [CHAT]: [progress(1), claude(2, [3, 4]), progress(2)],
    [`${PROJECT}/0b5f/subagents/agent-1.jsonl`]: [claude(1, [5, 6])],
  });
  same("claude", "what does not count", {
    [CHAT]: [
      claude(1, [1, 2]),
      claude(2, [1, 2], { model: null }),
      claude(3, [1, 2], { more: { requestId: null } }),
      claude(4, [1, 2], { more: { version: "next" } }),
      claude(5, [1, 2], { more: { sessionId: "" } }),
      claude(6, [1, 2], { more: { timestamp: "2026-09-01" } }),
      claude(7, [-1, 2]),
      claude(8, [1.5, 2]),
      claude(9, [1, 2], { of: { speed: "warp" } }),
      { ...claude(10, [1, 2]), toolUseResult: { id: null } },
      { type: "user", timestamp: "2026-09-01T10:00:00.000Z", toolUseResult: { usage: { input_tokens: 1, output_tokens: 2 } } },
      JSON.stringify(claude(11, [1, 2])).slice(0, -20),
      "",
      "null",
      "[]",
      '"usage":{}',
    ],
  });
  same("claude", "an error of its own in the form of an answer", {
    [CHAT]: [claude(1, [0, 0], { model: "<synthetic>", more: { isApiErrorMessage: true } }), claude(2, [1, 2])],
  });
  same("claude", "a last line without an end", { [CHAT]: [claude(1, [1, 2]), claude(2, [3, 4])].map((line) => JSON.stringify(line)).join("\n") });
  same("claude", "a half-written last line", { [CHAT]: `${JSON.stringify(claude(1, [1, 2]))}\n${JSON.stringify(claude(2, [3, 4])).slice(0, 300)}` });
  same("claude", "a model that nobody knows", { [CHAT]: [claude(1, [1, 2], { model: "unheard-of" })] });
});

describe("Codex", () => {
  const parent = session("A", 0, "gpt-5.5", [[1000, 200, 100, 50], [2000, 1500, 200, 30], [2500, 2000, 50, 0]]);
  const others = session("B", 600, "gpt-5.1-codex-max", [[100, 0, 10], [300, 90, 30, 20]]);
  same("codex", "sessions", { [rollout("10-00-00-a")]: parent, [rollout("10-10-00-b")]: others });
  same("codex", "an archived session that is in both folders", {
    [rollout("10-00-00-a")]: parent,
    [rollout("10-00-00-a", "archived_sessions")]: parent,
    [rollout("10-10-00-b", "archived_sessions")]: others,
  });
  same("codex", "events that say nothing new", {
    [rollout("10-00-00-a")]: [
      ...parent,
      tokenCount(500, counts(5500, 3700, 350, 80), counts(2500, 2000, 50, 0)),
      { timestamp: "2026-09-01T10:09:00.000Z", type: "event_msg", payload: { type: "token_count", info: null } },
      said(510),
    ],
  });
  const sums = parent.map((line) => JSON.parse(JSON.stringify(line)));
  for (const line of sums) delete line.payload.info?.last_token_usage;
  same("codex", "sums without the last request", { [rollout("10-00-00-a")]: sums });
  same("codex", "sums that shrink", {
    [rollout("10-00-00-a")]: [turn("gpt-5.5"), tokenCount(1, counts(1000, 200, 100)), tokenCount(2, counts(300, 0, 30)), tokenCount(3, counts(500, 0, 60))],
  });
  same("codex", "a change of the model", {
    [rollout("10-00-00-a")]: [...parent, turn("gpt-5.4", 300), tokenCount(320, counts(6000, 3700, 400, 80), counts(500, 0, 50, 0))],
  });
  const fork = (source, times = (seconds) => 700) => [
    meta("F", 700, source),
    ...parent.filter((line) => line.type !== "response_item").map((line, i) => ({ ...line, timestamp: new Date(Date.UTC(2026, 8, 1, 10) + times(i) * 1000).toISOString() })),
    tokenCount(730, counts(6500, 3800, 450, 90), counts(1000, 100, 100, 10)),
    tokenCount(760, counts(7500, 4800, 460, 90), counts(1000, 1000, 10, 0)),
  ];
  const spawned = { source: { subagent: { thread_spawn: { parent_thread_id: "A", depth: 1 } } } };
  for (const [name, source] of [["a fork", { forked_from_id: "A" }], ["a subagent", spawned]]) {
    same("codex", name, { [rollout("10-00-00-a")]: parent, [rollout("10-11-40-f")]: fork(source) });
    same("codex", `${name} whose parent is gone`, { [rollout("10-11-40-f")]: fork(source) });
    same("codex", `${name} whose parent goes on`, {
      [rollout("10-00-00-a")]: [...parent, tokenCount(900, counts(9000, 3700, 400, 80), counts(3500, 0, 50, 0))],
      [rollout("10-11-40-f")]: fork(source),
    });
  }
  same("codex", "a fork whose copy took several seconds", {
    [rollout("10-00-00-a")]: parent,
    [rollout("10-11-40-f")]: fork({ forked_from_id: "A" }, (i) => 690 + i * 2),
  });
  same("codex", "a fork of a fork", {
    [rollout("10-00-00-a")]: parent,
    [rollout("10-11-40-f")]: fork({ forked_from_id: "A" }),
    [rollout("10-20-00-g")]: [
      meta("G", 1200, { forked_from_id: "F" }),
      ...fork({}).map((line) => ({ ...line, timestamp: "2026-09-01T10:20:00.500Z" })),
      tokenCount(1230, counts(8500, 4800, 470, 90), counts(1000, 0, 10, 0)),
    ],
  });
  same("codex", "the priority tier", {
    [rollout("10-00-00-a")]: [
      meta("A", 0),
      { timestamp: "2026-09-01T10:00:00.000Z", type: "event_msg", payload: { type: "thread_settings_applied", thread_settings: { service_tier: "priority", model: "gpt-5.5" } } },
      ...parent.slice(1),
    ],
  });
  same("codex", "a large context", {
    [rollout("10-00-00-a")]: session("A", 0, "gpt-5.5", [[300000, 100000, 1000, 50], [272000, 0, 10], [272001, 200000, 10]]),
    [rollout("10-00-00-b")]: session("B", 0, "gpt-5.4-mini", [[300000, 100000, 1000, 50]]),
  });
  same("codex", "input that was put into a cache", {
    [rollout("10-00-00-a")]: [turn("gpt-5.6"), tokenCount(1, counts(1000, 200, 100, 50, { cache_write_input_tokens: 300 }))],
  });
  same("codex", "more cached than there was", { [rollout("10-00-00-a")]: [turn("gpt-5.5"), tokenCount(1, counts(100, 200, 10))] });
  same("codex", "broken lines", {
    [rollout("10-00-00-a")]: [...parent.slice(0, 4), '{"type":"event_msg","payload":{"type":"token_count"', "", "\u0000", "[]", ...parent.slice(4)],
  });
  same("codex", "a last line without an end", { [rollout("10-00-00-a")]: parent.map((line) => JSON.stringify(line)).join("\n") });
  same("codex", "a model that nobody knows", { [rollout("10-00-00-a")]: session("A", 0, "unheard-of", [[100, 20, 10]]) });

  test("a log without a model: ccusage takes gpt-5, sandbeat says that it is unknown", () => {
    const home = join(root, `home-${homes++}`);
    write(home, { [rollout("10-00-00-a")]: [tokenCount(1, counts(1000, 200, 100))] });
    assert.deepEqual(Object.keys(ccusage(home, "codex").models), ["gpt-5"]);
    const { models, cost, total } = sandbeat(home, "codex");
    assert.deepEqual([Object.keys(models), cost, total], [["unknown"], 0, 1100]);
  });
});

describe("OpenCode", () => {
  const tokens = { input: 100, output: 10, reasoning: 7, cache: { read: 50, write: 5 } };
  same("opencode", "messages", {
    [message(1)]: opencode(1, tokens),
    [message(2)]: opencode(2, { ...tokens, reasoning: 0 }, { cost: 0.5, modelID: "gpt-5.5", providerID: "openai" }),
    [message(3, "ses_2")]: opencode(3, tokens, { modelID: "claude-sonnet-4.5", providerID: "github-copilot" }),
    [message(4)]: JSON.stringify({ id: "msg_4", role: "user", time: { created: 1 } }),
  });
  same("opencode", "a copy of a message", { [message(1)]: opencode(1, tokens), [message(1, "ses_2")]: opencode(1, tokens) });
  same("opencode", "messages that have begun", {
    [message(1)]: opencode(1, tokens),
    [message(2)]: opencode(2, { input: 0, output: 0, reasoning: 0, cache: { read: 0, write: 0 } }, { time: { created: 1788000000000 } }),
    [message(3)]: opencode(3, tokens).slice(0, 100),
    [message(4)]: "",
  });
  same("opencode", "a large context", {
    [message(1)]: opencode(1, { input: 300000, output: 1000, reasoning: 0, cache: { read: 0, write: 0 } }, { modelID: "gpt-5.5", providerID: "openai" }),
    [message(2)]: opencode(2, { input: 150000, output: 1000, reasoning: 0, cache: { read: 100000, write: 0 } }, { modelID: "gemini-2.5-pro", providerID: "google" }),
  });
});

describe("OpenCode's database", () => {
  const tokens = { input: 100, output: 10, reasoning: 7, cache: { read: 50, write: 5 } };
  const messages = [
    row(1, opencode(1, tokens)),
    row(2, opencode(2, { ...tokens, reasoning: 0 }, { cost: 0.5, modelID: "gpt-5.5", providerID: "openai" })),
    row(3, opencode(3, { ...tokens, total: 172 }, { modelID: "claude-sonnet-4.5", providerID: "github-copilot" }), "ses_2"),
    row(4, { role: "user", time: { created: 1788256800000 }, summary: { diffs: ["x".repeat(20000)] } }),
    row(5, opencode(5, { input: 0, output: 0, reasoning: 0, cache: { read: 0, write: 0 } }, { time: { created: 1788256800000 } })),
  ];
  const checkpoint = ["PRAGMA wal_checkpoint(TRUNCATE)"];
  same("opencode", "alone", {}, (home) => database(home, [...messages, checkpoint]));
  same("opencode", "in its log", {}, (home) => database(home, messages));
  same("opencode", "in both", {}, (home) => {
    const grown = row(1, opencode(1, { ...tokens, output: 2000 }));
    database(home, [...messages, checkpoint, grown, row(6, opencode(6, tokens))]);
  });
  same("opencode", "without a log", {}, (home) => database(home, messages, { mode: "delete" }));
  same("opencode", "beside files of an older version", {
    [message(1)]: opencode(1, { ...tokens, input: 9000 }),
    [message(7)]: opencode(7, tokens),
  }, (home) => database(home, messages));
  same("opencode", "a deleted session", {}, (home) => {
    database(home, [...messages, checkpoint, ["DELETE FROM message WHERE session_id = 'ses_2'"], row(8, opencode(8, tokens))]);
  });
  same("opencode", "moved by VACUUM", {}, (home) => {
    database(home, [...messages, ["DELETE FROM message WHERE id = 'msg_1'"], ["VACUUM"], row(8, opencode(8, tokens))]);
  });
  same("opencode", "answers of OpenCode 2", {}, (home) => {
    const more = { cost: 0.125, model: { id: "gpt-5.5", providerID: "openai" } };
    database(home, [
      ...messages,
      answer("evt_1", tokens),
      answer("evt_2", tokens, { more }),
      answer("msg_1", { ...tokens, input: 9000 }),
      answer("evt_3", tokens, { type: "user" }),
      answer("evt_4", undefined, { more: { time: { created: 1788256800000 } } }),
    ]);
  });
  same("opencode", "a channel of its own", {}, (home) => database(home, messages, { name: "opencode-dev.db" }));
  same("opencode", "many messages with much between them", {}, (home) => {
    const statements = [["BEGIN"]];
    for (let id = 0; id < 3000; id++) {
      statements.push(row(id, opencode(id, { ...tokens, input: id, output: id * 3 }), `ses_${id % 9}`), part(id, (id * 7919) % 6000));
    }
    database(home, [...statements, ["COMMIT"]]);
  });

  test("databases of several channels: ccusage reads one, sandbeat all", () => {
    const home = join(root, `home-${homes++}`);
    database(home, messages.slice(0, 1));
    database(home, [row(9, opencode(9, tokens))], { name: "opencode-dev.db" });
    assert.equal(ccusage(home, "opencode").total, 172);
    assert.equal(sandbeat(home, "opencode").total, 344);
  });

  test("figures of a wrong type: ccusage takes them as 0, sandbeat says that it cannot read them", () => {
    const home = join(root, `home-${homes++}`);
    database(home, [row(1, opencode(1, tokens)), row(2, opencode(2, { ...tokens, input: "100" }))]);
    assert.equal(ccusage(home, "opencode").total, 172 + 72);
    const { total, unreadable } = sandbeat(home, "opencode");
    assert.deepEqual([total, unreadable], [172, 1]);
  });
});

describe("many at once", () => {
  // A small generator, so that every run has the same logs.
  let seed = 7;
  const random = (below) => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return seed % below;
  };
  const files = {};
  for (let file = 0; file < 40; file++) {
    const lines = [];
    for (let i = 0; i < 100; i++) {
      const id = random(1500);
      const model = ["claude-opus-4-8", "claude-sonnet-5", "claude-haiku-4-5"][id % 3];
      lines.push(claude(id, [id % 50, random(1000), id * 10, id % 7], { model, more: { isSidechain: id % 17 === 0 } }));
    }
    files[`.claude/projects/-p${file % 5}/s${file}.jsonl`] = lines;
  }
  for (let file = 0; file < 40; file++) {
    const requests = Array.from({ length: 1 + random(30) }, () => [1000 + random(5000), random(1000), random(500), 0]);
    files[rollout(`${10 + Math.floor(file / 10)}-00-0${file % 10}-s`)] = session(`S${file}`, file * 1000, ["gpt-5.5", "gpt-5.2-codex"][file % 2], requests);
  }
  for (let id = 0; id < 200; id++) {
    const tokens = { input: random(1000), output: 1 + random(100), reasoning: random(50), cache: { read: random(900), write: 0 } };
    files[message(id, `ses_${id % 9}`)] = opencode(id, tokens);
  }
  for (const agent of ["claude", "codex", "opencode"]) same(agent, agent, files);
});
