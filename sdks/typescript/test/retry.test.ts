// When to try again.

import assert from "node:assert/strict";
import { test } from "node:test";

import { backoff, retryAfter } from "../dist/http/retry.js";

test("pauses double up to a bound, and lie between a half and the whole", () => {
  for (const [failures, most] of [
    [1, 100],
    [2, 200],
    [3, 400],
    [4, 500],
    [1000, 500],
  ] as const) {
    const pauses = Array.from({ length: 100 }, () => backoff(failures, 100, 500));
    assert.ok(
      pauses.every((ms) => ms >= most / 2 && ms <= most),
      `${failures}: ${pauses}`,
    );
    assert.ok(new Set(pauses).size > 1, "there is chance in them");
  }
});

test("Retry-After is a number of seconds or a date", () => {
  const now = Date.parse("2026-11-21T12:00:00Z");
  const wants = (value: string | null) => retryAfter(value, now);
  assert.deepEqual(
    ["0", "5", " 7 ", "Sat, 21 Nov 2026 12:00:30 GMT", "Sat, 21 Nov 2026 11:00:00 GMT"].map(wants),
    [0, 5000, 7000, 30_000, 0],
  );
  assert.deepEqual([null, "", "soon", "-1", "1.5"].map(wants), Array(5).fill(undefined));
});
