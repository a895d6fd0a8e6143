// What needs no browser: the parts of the page that are arithmetic.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

const PAGE = "../../host/hub/src/page/static";
const { Fleet } = await import(`${PAGE}/fleet.js`);
const words = await import(`${PAGE}/format.js`);
const address = await import(`${PAGE}/route.js`);
const { inOrder } = await import(`${PAGE}/dom.js`);
const { EventStream } = await import(`${PAGE}/sse.js`);

const sandbox = (id, more = {}) => ({ id, name: id, liveness: "live", metadata: {}, ...more });
const reporting = (id, metrics, health = {}) =>
  sandbox(id, {
    agentInfo: {
      hostname: `h-${id}`,
      lastHeartbeat: "2026-11-20T12:00:00.000Z",
      metrics,
      uptimeSecs: 1,
      health: { processes: 1, processesFailed: 0, collectors: 1, collectorsFailed: 0, ...health },
    },
  });
const shown = (fleet, change = {}) => fleet.view({ is: [], q: "", sort: "state", ...change }).map(({ id }) => id);

test("an event is the same however the stream is cut", () => {
  const text = ": hello\r\nid: 6\r\n\r\nid: 7\r\nevent: lost\ndata: {\"a\":\ndata: 1}\r\n\r\ndata:x\r\revent: reset\ndata\n\n";
  const expected = [
    { type: "lost", data: '{"a":\n1}' },
    { type: "message", data: "x" },
    { type: "reset", data: "" },
  ];
  for (let size = 1; size <= text.length; size += 1) {
    const stream = new EventStream();
    const events = [];
    for (let at = 0; at < text.length; at += size) events.push(...stream.push(text.slice(at, at + size)));
    assert.deepEqual(events, expected, `in pieces of ${size}`);
    assert.equal(stream.lastId, "7");
  }
  const begun = new EventStream();
  assert.deepEqual(begun.push("retry: 2000\nid: 24\n\nevent: lost\n\n: a comment\n\n"), [], "what has no data is no event");
  assert.equal(begun.lastId, "24", "and its number is noted");
});

test("figures read as people write them", () => {
  const cases = [
    [words.bytes(0), "0 B"],
    [words.bytes(1023), "1,023 B"],
    [words.bytes(1536), "1.50 KiB"],
    [words.mebibytes(1938), "1.89 GiB"],
    [words.perSecond(1), "1 report/s"],
    [words.perSecond(1.5), "1.5 reports/s"],
    [words.perSecond(0), "0 reports/s"],
    [words.percent(0), "0 %"],
    [words.percent(0.04), "0.0 %"],
    [words.percent(99.6), "100 %"],
    [words.duration(0.0004), "400 µs"],
    [words.duration(0.25), "250 ms"],
    [words.duration(59.9), "59 s"],
    [words.duration(60), "1m"],
    [words.duration(3725), "1h 2m"],
    [words.duration(200_000), "2d 7h"],
    [words.ago(-3), "now"],
    [words.ago(59), "59s ago"],
    [words.ago(90_000), "1d ago"],
    [words.quantity(12, "{packet}"), "12 packet"],
    [words.quantity(14_209_331, "{packet}"), "14.2M packet"],
    [words.quantity(0.25, "1"), "0.25"],
    [words.quantity(1500, "ms"), "1.5 s"],
    [words.quantity(-2, "s"), "-2 s"],
    [words.quantity(4096, "By/s"), "4.00 KiB/s"],
    [words.histogram({ bounds: [1, 2], counts: [98, 1, 1], sum: 60 }, "s"), "100 values · mean 600 ms · p50 ≤ 1 s · p99 ≤ 2 s"],
    [words.histogram({ bounds: [1], counts: [0, 4], sum: 8 }, "s"), "4 values · mean 2 s · p50 > 1 s · p99 > 1 s"],
    [words.histogram({ bounds: [1], counts: [0, 0], sum: 0 }, "s"), "no values yet"],
    [words.histogram({ bounds: [1], counts: [0, 1], sum: 1e308 }, "s"), "1 value · mean 1.16e+303d · p50 > 1 s · p99 > 1 s"],
    [words.histogram({ bounds: [1], counts: [0, 1], sum: 1e308 }, "1"), "1 value · mean 1.00e+296T · p50 > 1 · p99 > 1"],
    [words.bytes(1e308), "8.67e+289 EiB"],
    [words.percent(-1e308), "-1.00e+308 %"],
    [words.percent(100_000), "100,000 %"],
    [words.quantity(-1e308, "Cel"), "-1.00e+308 °C"],
    [words.count(1e300), "1.00e+300"],
    [words.short(999_999_999_999_999), "999,999,999,999,999"],
  ];
  for (const [actual, expected] of cases) assert.equal(actual, expected);
});

test("the address keeps the view, and nothing in it is trusted", () => {
  const state = { is: ["lost", "process-failed"], q: "a b&c", sort: "-cpu", open: "box-1", load: 2000 };
  assert.deepEqual(address.parse(address.format(state)), state);
  assert.equal(address.format(address.DEFAULT), "");
  assert.deepEqual(address.parse("#is=,lost,lost&sort=&%%%"), { ...address.DEFAULT, is: ["lost"] });
  for (const [text, load] of [["2000", 2000], ["1", 1000], ["99999999", 1_000_000], ["", 50_000], ["-1", 50_000], ["1e9", 50_000]]) {
    assert.equal(address.parse(`#load=${text}`).load, load, text);
  }
});

test("what is newer stays, whichever comes last", () => {
  const fleet = new Fleet();
  fleet.put(sandbox("a", { liveness: "lost" }), 20);
  fleet.put(sandbox("a"), 10);
  assert.equal(fleet.row("a").state, "lost");
  fleet.put(sandbox("b"), 15);
  fleet.remove("b", 30);
  fleet.put(sandbox("b"), 25);
  assert.equal(fleet.row("b"), undefined, "it was deleted after that was asked for");
  fleet.put(sandbox("b"), 35);
  assert.deepEqual([fleet.count("lost"), fleet.count("live"), fleet.size], [1, 1, 2]);
  fleet.sweep(30);
  assert.deepEqual(shown(fleet), ["b"], "the others were not in the whole list");
  assert.deepEqual([fleet.count("lost"), fleet.count("live")], [0, 1]);
});

test("a deletion is remembered for as long as an older answer may come", () => {
  const fleet = new Fleet();
  fleet.remove("a", 0);
  fleet.remove("b", 50_000);
  fleet.put(sandbox("a"), -1);
  assert.equal(fleet.size, 0);
  fleet.remove("c", 100_000);
  fleet.put(sandbox("a"), -1);
  fleet.put(sandbox("b"), 49_000);
  assert.deepEqual(shown(fleet), ["a"]);
});

test("trouble comes first, and names in the order in which people count", () => {
  const fleet = new Fleet();
  const all = [
    sandbox("s-10"),
    sandbox("s-9"),
    sandbox("gone", { liveness: "stopped" }),
    sandbox("new", { liveness: "never-reported" }),
    sandbox("late", { liveness: "never-reported", overdue: true }),
    sandbox("doubt", { suspect: true }),
    sandbox("lost", { liveness: "lost" }),
    reporting("ill", {}, { processesFailed: 1 }),
  ];
  for (const one of all) fleet.put(one, 1);
  assert.deepEqual(shown(fleet), ["lost", "doubt", "ill", "late", "s-9", "s-10", "new", "gone"]);
  assert.deepEqual(shown(fleet, { is: ["lost", "stopped"] }), ["lost", "gone"], "any of the states");
  assert.deepEqual(shown(fleet, { is: ["live", "process-failed"] }), ["ill"], "and of the troubles");
  assert.deepEqual(shown(fleet, { is: ["no-such-group"] }).length, all.length);
  assert.deepEqual([fleet.count("suspect"), fleet.count("live"), fleet.count("process-failed")], [1, 3, 1]);
});

test("what was not measured goes last, up and down", () => {
  const fleet = new Fleet();
  for (const one of [reporting("a", { cpuPercent: 5 }), reporting("b", {}), reporting("c", { cpuPercent: 50 }), sandbox("d")]) fleet.put(one, 1);
  assert.deepEqual(shown(fleet, { sort: "cpu" }), ["a", "c", "b", "d"]);
  assert.deepEqual(shown(fleet, { sort: "-cpu" }), ["c", "a", "b", "d"]);
});

test("a search needs each of its words, in any case, wherever it is", () => {
  const fleet = new Fleet();
  fleet.put(sandbox("a", { image: "Debian:12", metadata: { team: "Payments" } }), 1);
  fleet.put(reporting("b", {}), 1);
  assert.deepEqual(shown(fleet, { q: "debian PAYMENTS" }), ["a"]);
  assert.deepEqual(shown(fleet, { q: "team=pay" }), ["a"]);
  assert.deepEqual(shown(fleet, { q: "h-b" }), ["b"]);
  assert.deepEqual(shown(fleet, { q: "debian h-b" }), []);
});

test("a text is written out where the agent would refuse it", async () => {
  const samples = JSON.parse(await readFile(new URL("../../host/text/samples.json", import.meta.url), "utf8"));
  for (const plain of samples.plain) assert.equal(inOrder(plain), plain);
  for (const [text, shown] of Object.entries(samples.shown)) assert.equal(inOrder(text), shown);
  const ranges = (isOne) => {
    const found = [];
    for (let code = 0; code <= 0xeffff; code += 1) {
      if (code === 0x40000) code = 0xe0000;
      const sign = String.fromCodePoint(code);
      if (/[\p{Cc}\p{Cs}]/u.test(sign) || !isOne(sign)) continue;
      if (found.at(-1)?.[1] === code - 1) found.at(-1)[1] = code;
      else found.push([code, code]);
    }
    return found.map((range) => range.map((end) => end.toString(16).toUpperCase()).join("-"));
  };
  assert.deepEqual(ranges((sign) => inOrder(sign) !== sign), samples.alone);
  for (const [pattern, expected] of Object.entries(samples.within)) {
    const within = (sign) => pattern.replace("x", () => sign);
    assert.deepEqual(ranges((sign) => inOrder(within(sign)) === within(sign)), expected, pattern);
  }
});
