// Where sandbeat answers otherwise than the reference daemon, and why. Every entry is asserted on, on both sides: a
// difference that is not there any more fails as one that is not listed here does.

export const DIFFERENCES = {
  "health-body": {
    reference: "status alone",
    sandbeat: "status, and how the agent's reports fare beside it",
    reason: "clients read the literal `ok` and pass over the rest",
  },
  "error-types": {
    reference: "urn:sandbox-agent:error:not_found, conflict, invalid_request, stream_error",
    sandbeat: "urn:sandbeat:error: and a name of its own for each case; the same HTTP statuses",
    reason: "`conflict` alone does not tell one what to do",
  },
  "extractor-errors": {
    reference: "text/plain for malformed JSON, wrong fields, bad queries, missing content type, 413; empty 405",
    sandbeat: "application/problem+json, with the same statuses",
    reason: "a client parses one kind of error",
  },
  "unauthorized-type": {
    reference: "401 token_invalid; unknown routes answer 404 without a token",
    sandbeat: "401 unauthorized for everything",
    reason: "what exists is nobody's business without the token",
  },
  "configured-processes": {
    reference: "the list holds only what was created",
    sandbeat: "configured processes come first, with owner `system`",
    reason: "they are supervised by the same agent",
  },
  "list-order": {
    reference: "proc_10 before proc_2",
    sandbeat: "in the order of creation",
    reason: "a defect of the reference",
  },
  "failed-spawn-burns-an-id": {
    reference: "the id of a process that could not be started is not used again",
    sandbeat: "a process that could not be started leaves no trace",
    reason: "a defect of the reference",
  },
  "more-fields": {
    reference: "ten to twelve fields of a process",
    sandbeat: "kind, state, phase, restartCount, exitSignal and others beside them",
    reason: "clients pass over what they do not know",
  },
  "signal-of-death": {
    reference: "a death by signal has neither a code nor a signal",
    sandbeat: "exitSignal names it; exitCode is absent, as in the reference",
    reason: "what ended a process is what one asks first",
  },
  "stop-takes-the-tree": {
    reference: "stop and kill reach the direct child only",
    sandbeat: "nothing that it has started is left",
    reason: "a defect of the reference",
  },
  "run-at-its-timeout": {
    reference: "hangs while a grandchild holds the pipe",
    sandbeat: "returns at the timeout with what was written, and nothing is left",
    reason: "a defect of the reference",
  },
  "entries-are-lines": {
    reference: "an entry is what one read returned",
    sandbeat: "an entry is a line, or a piece of one; of a terminal what was read at once",
    reason: "`tail` counts lines; together the bytes are the same",
  },
  "follow-ends": {
    reference: "a follow never ends",
    sandbeat: "it ends when the process has ended for good and its output was sent",
    reason: "a defect of the reference",
  },
  "combined-of-a-terminal": {
    reference: "stream=combined of a process with a terminal is empty",
    sandbeat: "it is everything",
    reason: "combined means everything",
  },
  "terminal-ends-with-an-error": {
    reference: "a terminal's log ends in `[process stream error: I/O error (os error 5)]`",
    sandbeat: "it ends with what the process wrote",
    reason: "a defect of the reference",
  },
  "terminal-of-no-size": {
    reference: "0 columns are taken",
    sandbeat: "400",
    reason: "programs divide by it",
  },
  "nul-in-an-argument": {
    reference: "502",
    sandbeat: "400",
    reason: "the request is wrong, not the system",
  },
};

const OBSERVED = new Set();

/** Notes that a difference was asserted on, and returns the wanted value of this server. */
export function differ(name, server, { reference, sandbeat }) {
  if (!DIFFERENCES[name]) throw new Error(`no difference is called ${name}`);
  OBSERVED.add(`${name}/${server.name}`);
  return server.name === "sandbeat" ? sandbeat : reference;
}

/** The differences that were asserted on so far, on both sides, as a table for people. */
export function observed() {
  const names = Object.keys(DIFFERENCES).filter((name) => OBSERVED.has(`${name}/sandbeat`));
  return names.map((name) => {
    if (!OBSERVED.has(`${name}/sandbox-agent`)) throw new Error(`${name} was looked at on one side only`);
    const { reference, sandbeat, reason } = DIFFERENCES[name];
    return `${name}\n    sandbox-agent: ${reference}\n    sandbeat:      ${sandbeat}\n    because:       ${reason}`;
  });
}

/** Those that nothing was asserted about. */
export function forgotten() {
  return Object.keys(DIFFERENCES).filter((name) => !OBSERVED.has(`${name}/sandbeat`));
}

/** All of them as rows of docs/api.md. */
export function rows() {
  return Object.entries(DIFFERENCES).map(
    ([name, { reference, sandbeat, reason }]) =>
      `| ${name.replaceAll("-", " ")} | ${reference} | ${sandbeat} | ${reason} |`,
  );
}
