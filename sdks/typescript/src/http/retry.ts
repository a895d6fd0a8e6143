// When to try again. Pure, but for chance.

import { ApiError, ConnectionError } from "../errors.js";

/** The first pause is about this long, and each next one twice as long. */
const FIRST_MS = 250;
const LONGEST_MS = 8_000;
/** What says that another attempt may go better. */
const PASSING = new Set([429, 502, 503, 504]);

/** Whether another attempt at the same may go better. */
export function isPassing(error: unknown): boolean {
  return error instanceof ConnectionError || (error instanceof ApiError && PASSING.has(error.status));
}

/** How long to wait after so many failures in a row, in milliseconds: at least half of what it would be without chance. */
export function backoff(failures: number, firstMs = FIRST_MS, longestMs = LONGEST_MS): number {
  const whole = Math.min(longestMs, firstMs * 2 ** Math.min(failures - 1, 30));
  return whole * (0.5 + Math.random() / 2);
}

/** What `Retry-After` asks for, in milliseconds: a number of seconds, or a date. */
export function retryAfter(value: string | null, now = Date.now()): number | undefined {
  if (value === null) return undefined;
  const text = value.trim();
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  // Anything but a number is a date; `Date.parse` takes far more than HTTP does.
  const at = /[A-Za-z]{3}/.test(text) ? Date.parse(text) : NaN;
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}
