// Server-sent events out of bytes.

import assert from "node:assert/strict";
import { test } from "node:test";

import { EventParser, LONGEST, type Message } from "../dist/stream/parser.js";

const bytes = (text: string) => new TextEncoder().encode(text);

function parse(...chunks: (string | Uint8Array)[]): Message[] {
  const parser = new EventParser();
  return chunks.flatMap((chunk) => [...parser.push(typeof chunk === "string" ? bytes(chunk) : chunk)]);
}

const one = (data: string, event = "message") => [{ event, data }];

test("an event ends with an empty line, and has a name or none", () => {
  assert.deepEqual(parse("event: lost\ndata: 1\n\n"), one("1", "lost"));
  assert.deepEqual(parse("data: 1\n\ndata: 2\n\n"), [...one("1"), ...one("2")]);
  assert.deepEqual(parse("data: 1\n"), [], "what has not ended is none");
});

test("lines end with LF, CR or CRLF, wherever the bytes are cut", () => {
  const text = "event: a\r\ndata: 1\rdata: 2\n\r\ndata:3\r\r: comment\r\ndata: ä€😀\r\n\r\n";
  const whole = [...one("1\n2", "a"), ...one("3"), ...one("ä€😀")];
  assert.deepEqual(parse(text), whole);
  const all = bytes(text);
  for (let cut = 0; cut <= all.length; cut += 1) {
    assert.deepEqual(parse(all.subarray(0, cut), all.subarray(cut)), whole, `cut at ${cut}`);
  }
  assert.deepEqual(parse(...[...all].map((byte) => Uint8Array.of(byte))), whole, "byte by byte");
});

test("a line feed after a return that ended the bytes before is no line", () => {
  assert.deepEqual(parse("data: 1\r", "\n", "\n"), one("1"));
  assert.deepEqual(parse("data: 1\r", "", "\n\r", "\ndata: 2\n\n"), [...one("1"), ...one("2")]);
});

test("a byte order mark at the beginning is passed over, and only there", () => {
  assert.deepEqual(parse("\uFEFFdata: 1\n\n"), one("1"));
  assert.deepEqual(parse("data: 1\n\n\uFEFFdata: 2\n\n"), one("1"));
});

test("one space after the colon is none of the value", () => {
  assert.deepEqual(parse("data:  1\n\n"), one(" 1"));
  assert.deepEqual(parse("data:1: 2\n\n"), one("1: 2"));
  assert.deepEqual(parse("data\ndata\n\n"), one("\n"));
  assert.deepEqual(parse("data:\n\n"), one(""));
});

test("comments, unknown fields and events without data are passed over", () => {
  assert.deepEqual(parse(": hello\n\nfoo: bar\n\nevent: lost\n\ndata: 1\n\n"), one("1"));
});

test("the id is that of the last event that has ended", () => {
  const parser = new EventParser("1");
  assert.equal(parser.lastEventId, "1");
  assert.deepEqual([...parser.push(bytes("id: 2\ndata: x\n"))], []);
  assert.equal(parser.lastEventId, "1", "it has not ended");
  assert.deepEqual([...parser.push(bytes("\ndata: y\n\n"))], [...one("x"), ...one("y")]);
  assert.equal(parser.lastEventId, "2");
  assert.deepEqual([...parser.push(bytes("id: 3\n\n"))], [], "an id needs no data");
  assert.equal(parser.lastEventId, "3");
  assert.deepEqual([...parser.push(bytes("id: 4\0\n\nid\n\n"))], []);
  assert.equal(parser.lastEventId, "");
});

test("what a stream says of connecting again is a number", () => {
  const parser = new EventParser();
  const retry = (value: string) => {
    assert.deepEqual([...parser.push(bytes(`retry: ${value}\n`))], []);
    return parser.retryMs;
  };
  assert.equal(parser.retryMs, undefined);
  assert.deepEqual(["soon", "1500", "-1", "2.5", ""].map(retry), [undefined, 1500, 1500, 1500, 1500]);
});

test("what is no UTF-8 is replaced", () => {
  assert.deepEqual(parse(Uint8Array.of(...bytes("data: a"), 0xff, ...bytes("b\n\n"))), one("a\uFFFDb"));
});

test("neither a line nor an event is without bounds", () => {
  const half = "x".repeat(LONGEST / 2);
  assert.equal(parse(`data: ${half}`, `${half.slice(6)}\n\n`)[0]?.data.length, LONGEST - 6);
  assert.throws(() => parse(half, half, "x"), /longer than/);
  assert.throws(() => parse(`data: ${half}\ndata: ${half}\n`), /longer than/);
  assert.deepEqual(parse(`data: ${half}\n\ndata: ${half}\n\n`).length, 2, "each is counted for itself");
});
