// Logs, at once and as they come.

import assert from "node:assert/strict";
import { test } from "node:test";

import { differ } from "./differences.js";
import { exited } from "./processes.js";
import { until, within } from "./until.js";

/** What a process has written, as far as it is held. */
export async function text(client, id, query) {
  return joined((await client.getProcessLogs(id, query)).entries);
}

function joined(entries) {
  return Buffer.concat(entries.map(({ data }) => Buffer.from(data, "base64"))).toString();
}

export function logs(running) {
  const { server } = running;

  // A process that has ended, and whose output is all there.
  async function finished(script) {
    const { client } = running;
    const { id } = await client.createProcess({ command: "sh", args: ["-c", `${script}; echo end`] });
    await exited(client, id);
    await until("its output", async () => (await text(client, id)).endsWith("end\n"));
    return id;
  }

  test("entries carry the bytes as they were written, numbers and times", async () => {
    const { client } = running;
    const before = Date.now();
    const id = await finished("echo one; sleep 0.2; printf 'tw\\377o\\r\\n\\nthree '; sleep 0.2; echo err >&2; sleep 0.2");
    const all = await client.getProcessLogs(id);
    assert.equal(all.processId, id);
    assert.equal(all.stream, "combined");
    all.entries.forEach((entry, i) => {
      assert.equal(entry.sequence, i + 1);
      assert.equal(entry.encoding, "base64");
      assert.ok(["stdout", "stderr"].includes(entry.stream));
      assert.ok(entry.timestampMs >= before - 1000 && entry.timestampMs <= Date.now() + 1000);
    });
    assert.equal(joined(all.entries), "one\ntw\uFFFDo\r\n\nthree err\nend\n");
    assert.equal(await text(client, id, { stream: "stdout" }), "one\ntw\uFFFDo\r\n\nthree end\n");
    const errors = await client.getProcessLogs(id, { stream: "stderr" });
    assert.equal(errors.stream, "stderr");
    assert.equal(joined(errors.entries), "err\n");
    assert.equal(await text(client, id, { stream: "pty" }), "");
  });

  test("since and tail choose entries", async () => {
    const { client } = running;
    const id = await finished("for i in 1 2 3; do echo $i; sleep 0.1; done");
    const { entries } = await client.getProcessLogs(id);
    assert.equal(joined(entries), "1\n2\n3\nend\n");
    const since = await client.getProcessLogs(id, { since: entries[0].sequence });
    assert.deepEqual(since.entries, entries.slice(1));
    const tail = await client.getProcessLogs(id, { tail: 2 });
    assert.deepEqual(tail.entries, entries.slice(-2));
    assert.deepEqual((await client.getProcessLogs(id, { tail: 0 })).entries, []);
    assert.deepEqual((await client.getProcessLogs(id, { tail: 1000 })).entries, entries);
    assert.deepEqual((await client.getProcessLogs(id, { since: 1000 })).entries, []);
  });

  test("an entry is a line", async () => {
    const id = await finished("printf 'a\\nb\\nc\\n'; sleep 0.2");
    const { entries } = await running.client.getProcessLogs(id);
    const first = joined(entries.slice(0, 1));
    assert.equal(first, differ("entries-are-lines", server, { reference: "a\nb\nc\n", sandbeat: "a\n" }));
  });

  test("followProcessLogs gives what is there and what comes, and ends", async () => {
    const { client } = running;
    const script = "echo one; read go; echo two; echo three >&2";
    const { id } = await client.createProcess({ command: "sh", args: ["-c", script], interactive: true });
    await until("the first line", async () => (await text(client, id)) === "one\n");
    const seen = [];
    const follow = await client.followProcessLogs(id, (entry) => seen.push(entry));
    await until("the first line in the stream", () => joined(seen) === "one\n");
    await client.sendProcessInput(id, { data: "\n", encoding: "utf8" });
    await until("the rest", () => seen.length >= 3 && joined(seen).includes("two\n"));
    assert.deepEqual(seen.map(({ sequence }) => sequence), [1, 2, 3]);
    await exited(client, id);
    const ended = Promise.race([
      follow.closed.then(() => true),
      new Promise((late) => setTimeout(late, 1000, false)),
    ]);
    assert.equal(await ended, differ("follow-ends", server, { reference: false, sandbeat: true }));
    follow.close();
    await within("the end of the stream", follow.closed);
  });

  test("a follow can be of one stream, begin later, and be ended", async () => {
    const { client } = running;
    const script = "echo one; echo err >&2; read go; echo two; exec sleep 600";
    const { id } = await client.createProcess({ command: "sh", args: ["-c", script], interactive: true });
    const { length } = await until("the first lines", async () => {
      const { entries } = await client.getProcessLogs(id);
      return entries.length === 2 && entries;
    });
    const seen = { stderr: [], since: [], tail: [] };
    const follows = [
      await client.followProcessLogs(id, (entry) => seen.stderr.push(entry), { stream: "stderr" }),
      await client.followProcessLogs(id, (entry) => seen.since.push(entry), { since: length }),
      await client.followProcessLogs(id, (entry) => seen.tail.push(entry), { tail: 1 }),
    ];
    await client.sendProcessInput(id, { data: "\n", encoding: "utf8" });
    await until("the last line", () => joined(seen.since) === "two\n" && joined(seen.tail).endsWith("two\n"));
    assert.equal(joined(seen.stderr), "err\n");
    assert.equal(seen.tail.length, 2);
    for (const follow of follows) follow.close();
    await within("the end of the streams", Promise.all(follows.map(({ closed }) => closed)));
    await client.killProcess(id, { waitMs: 5000 });
  });

  test("a stream goes on after Last-Event-ID", async () => {
    const id = await finished("for i in 1 2 3; do echo $i; sleep 0.1; done");
    const abort = new AbortController();
    const response = await running.fetch(`/v1/processes/${id}/logs?follow=true`, {
      headers: { accept: "text/event-stream", "last-event-id": "2" },
      signal: abort.signal,
    });
    assert.match(response.headers.get("content-type"), /^text\/event-stream/);
    let seen = "";
    for await (const chunk of response.body) {
      seen += Buffer.from(chunk).toString();
      if (seen.includes("id: 4\n") && seen.endsWith("\n\n")) break;
    }
    abort.abort();
    const ids = seen.split("\n").filter((line) => line.startsWith("id:"));
    assert.deepEqual(ids, ["id: 3", "id: 4"]);
    assert.equal(seen.split("\n").filter((line) => line === "event: log").length, 2);
  });
}
