// Waiting for what has to happen, with a deadline far above what it takes.

const PATIENCE_MS = 30_000;

/** Asks until there is an answer, which is then returned; `check` throws when there never will be one. */
export async function until(what, ask, check = () => {}) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    check();
    if (Date.now() > deadline) throw new Error(`waited ${PATIENCE_MS} ms for ${what}`);
    await new Promise((next) => setTimeout(next, 20));
  }
}
