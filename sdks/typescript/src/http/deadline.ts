// A signal that ends what it is given to when the caller's signal does, or when its time is over. Its reason is what
// the call throws: the reason of the caller's signal, or the error that the deadline was made with.

/** The longest that timers take; what is longer is no deadline. */
const LONGEST_MS = 2 ** 31 - 1;

export class Deadline {
  readonly #controller = new AbortController();
  readonly #caller: AbortSignal | undefined;
  readonly #late: () => Error;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #endsAt = Infinity;

  /** `late` makes the error of one that is over; `close` has to be called when it is not needed any more. */
  constructor(caller: AbortSignal | undefined, timeoutMs: number, late: () => Error) {
    this.#caller = caller;
    this.#late = late;
    if (caller?.aborted) this.#follow();
    else caller?.addEventListener("abort", this.#follow, { once: true });
    this.restart(timeoutMs);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** How many milliseconds are left. */
  get leftMs(): number {
    return this.#endsAt - performance.now();
  }

  /** Counts anew from now on. */
  restart(timeoutMs: number): void {
    clearTimeout(this.#timer);
    if (this.signal.aborted) return;
    this.#endsAt = performance.now() + timeoutMs;
    if (timeoutMs > LONGEST_MS) return;
    this.#timer = setTimeout(() => this.#controller.abort(this.#late()), timeoutMs);
  }

  /** Lets go of the caller's signal and the timer. Nothing is ended by it. */
  close(): void {
    clearTimeout(this.#timer);
    this.#caller?.removeEventListener("abort", this.#follow);
  }

  readonly #follow = (): void => {
    this.#controller.abort(this.#caller?.reason);
  };
}

/** Waits. Throws the signal's reason when that ends it. */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", end);
      resolve();
    }, ms);
    if (signal?.aborted) end();
    else signal?.addEventListener("abort", end, { once: true });
  });
}
