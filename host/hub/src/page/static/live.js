// The stream of events, kept open: what comes is handed on, what breaks is opened again after a growing pause. While
// it cannot be had, the fleet is asked for instead.

import { Refused, stream } from "./api.js";
import { EventStream } from "./sse.js";

// The hub sends something every 15 s; what is silent for longer is broken, whatever TCP says.
const SILENCE_MS = 40_000;
const PAUSE_MS = { least: 500, most: 15_000 };
const POLL_MS = 5_000;

/**
 * Calls `opened()` when the stream begins, `event({ type, data })` for each event, `poll()` (awaited) from time to
 * time while there is none, and `state(name, error)` when that changes: `live`, `polling` (the hub answers, but gives
 * no stream), `down` (it does not answer), `locked` (it wants another key; nothing more is tried until `start`).
 */
export class Live {
  #handlers;
  #run = null;
  #last = null;
  #wake = () => {};

  constructor(handlers) {
    this.#handlers = handlers;
  }

  /** Begins, or begins anew. */
  start() {
    this.stop();
    this.#run = new AbortController();
    this.#keep(this.#run.signal);
  }

  stop() {
    this.#run?.abort();
    this.#wake();
  }

  /** Tries at once instead of at the end of the pause. */
  hurry() {
    this.#wake();
  }

  async #keep(run) {
    let failures = 0;
    let polled = 0;
    while (!run.aborted) {
      let error;
      try {
        await this.#follow(run, () => (failures = 0));
      } catch (caught) {
        error = caught;
      }
      if (run.aborted) return;
      if (error instanceof Refused && error.wantsKey) return this.#handlers.state("locked", error);
      failures += 1;
      const most = Math.min(PAUSE_MS.most, PAUSE_MS.least * 2 ** (failures - 1));
      const until = Date.now() + most * (0.5 + Math.random() / 2);
      this.#handlers.state(error instanceof Refused ? "polling" : "down", error, until);
      // A stream that ended by itself, after a restart of the hub, say, is simply opened again.
      if (error instanceof Refused && Date.now() - polled > POLL_MS) {
        polled = Date.now();
        await this.#handlers.poll();
      }
      await this.#pause(Math.max(0, until - Date.now()));
    }
  }

  async #follow(run, begun) {
    const attempt = new AbortController();
    const signal = AbortSignal.any([run, attempt.signal]);
    let watchdog = setTimeout(() => attempt.abort(), SILENCE_MS);
    try {
      const resume = this.#last === null ? {} : { "last-event-id": this.#last };
      const answer = await stream("/api/v1/events?beats=true", resume, signal);
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      const events = new EventStream();
      this.#handlers.state("live");
      this.#handlers.opened();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        begun();
        clearTimeout(watchdog);
        watchdog = setTimeout(() => attempt.abort(), SILENCE_MS);
        for (const event of events.push(value)) this.#handlers.event(event);
        this.#last = events.lastId ?? this.#last;
      }
    } finally {
      clearTimeout(watchdog);
      attempt.abort();
    }
  }

  #pause(milliseconds) {
    return new Promise((resume) => {
      const timer = setTimeout(resume, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resume();
      };
    });
  }
}
