// The page's words for the hub's.

/** A state in a word, and what it means. */
export const STATE = {
  lost: ["Lost", "No report for longer than three intervals and the grace"],
  suspect: ["Suspect", "Silent, but so are so many others that the hub doubts its own network"],
  live: ["Live", "Reports in time"],
  overdue: ["Overdue", "Registered, and should have reported by now"],
  "never-reported": ["Pending", "Registered, and has not reported yet"],
  stopped: ["Stopped", "Said that it stops"],
  "process-failed": ["Failed processes", "A supervised process is in error"],
  "collector-failed": ["Failed collectors", "A collector is failing, quarantined or rejected"],
};

/** What an event says, and whether it is good, bad or neither. */
export const EVENT = {
  registered: ["Registered", ""],
  deleted: ["Deleted", ""],
  "token-rotated": ["Token rotated", ""],
  reported: ["First report", "good"],
  overdue: ["Overdue", "warn"],
  lost: ["Lost", "bad"],
  recovered: ["Recovered", "good"],
  stopped: ["Stopped", ""],
  started: ["Started", "good"],
  restarted: ["Agent restarted", "warn"],
  "process-failed": ["Process failed", "bad"],
  "process-recovered": ["Process recovered", "good"],
  "collector-failed": ["Collector failed", "bad"],
  "collector-recovered": ["Collector recovered", "good"],
  suppressed: ["Further events left out", "warn"],
  suspect: ["Hub doubts its network", "warn"],
  trusted: ["Hub trusts its network", "good"],
};

/** What an event says aloud, for those that are said; else null. */
export function spoken({ type, sandboxId, name }) {
  if (type === "lost") return `${sandboxId} is lost`;
  if (type === "recovered") return `${sandboxId} has recovered`;
  if (type === "process-failed") return `Process ${name} of ${sandboxId} failed`;
  if (type === "collector-failed") return `Collector ${name} of ${sandboxId} failed`;
  if (type === "suspect") return "So many sandboxes are silent that the hub doubts its own network";
  if (type === "trusted") return "The hub trusts its network again";
  return null;
}

/** How a process's state or a collector's is to be taken. */
export const TONE = {
  running: "good",
  stopped: "",
  error: "bad",
  active: "good",
  compiling: "",
  failing: "bad",
  quarantined: "bad",
  rejected: "bad",
};
