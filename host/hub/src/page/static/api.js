// The hub's interface, as the page asks it. The admin key stays in this tab: it is in `sessionStorage` and nowhere else.

import { learn } from "./time.js";

const KEY = "sandbeat.key";
// A hub that takes longer is as good as gone.
const PATIENCE_MS = 15_000;

/** The hub answered, and not with what was asked for. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }

  /** Another key, or a key at all, would help. */
  get wantsKey() {
    return this.status === 401;
  }
}

/** The key in use, or null. */
export function key() {
  return sessionStorage.getItem(KEY);
}

/** Uses a key from now on; null forgets it. */
export function setKey(value) {
  if (value === null) sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, value);
}

/** The JSON that a route answers. Fails with `Refused`, with an `AbortError`, or with what `fetch` fails with. */
export async function get(path, { signal } = {}) {
  const patience = AbortSignal.timeout(PATIENCE_MS);
  const answer = await open(path, {}, signal ? AbortSignal.any([signal, patience]) : patience);
  return answer.json();
}

/** The answer of a route that goes on for as long as it is read. */
export function stream(path, headers, signal) {
  return open(path, { accept: "text/event-stream", ...headers }, signal);
}

/** A sandbox's route. */
export function sandbox(id, rest = "") {
  return `/api/v1/sandboxes/${encodeURIComponent(id)}${rest}`;
}

async function open(path, headers, signal) {
  const used = key();
  const authorization = used === null ? {} : { authorization: `Bearer ${used}` };
  const answer = await fetch(path, { headers: { accept: "application/json", ...authorization, ...headers }, signal, cache: "no-store" });
  learn(answer.headers.get("date"));
  // Another key was given meanwhile; what the hub thinks of the one before is over.
  if (answer.status === 401 && key() !== used) return open(path, headers, signal);
  if (!answer.ok) throw new Refused(answer.status, await reason(answer));
  return answer;
}

async function reason(answer) {
  try {
    return String((await answer.json()).message);
  } catch {
    return `the hub answered ${answer.status}`;
  }
}
