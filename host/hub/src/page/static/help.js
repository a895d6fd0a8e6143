// What the page shows where there is nothing to show, and which keys there are.

import { el, setText } from "./dom.js";

const KEYS = [
  ["/", "Search"],
  ["↑ ↓  or  j k", "Next and previous sandbox"],
  ["Page Up, Page Down, Home, End", "Further"],
  ["Enter", "Open the sandbox"],
  ["Esc", "Close it, or empty the search"],
  ["?", "These keys"],
];

/** The dialog with the keys. */
export function keysDialog() {
  const lines = KEYS.map(([keys, does]) => el("div", {}, el("dt", {}, el("kbd", {}, keys)), el("dd", {}, does)));
  const dialog = el("dialog.keys", { "aria-labelledby": "keys-title" }, el("h2", { id: "keys-title" }, "Keys"), el("dl", {}, ...lines));
  dialog.append(el("button.primary", { type: "button", onclick: () => dialog.close() }, "Close"));
  return dialog;
}

/** How the first sandbox gets here. */
export function welcome() {
  const register = `sandbeat hub add my-sandbox --url ${location.origin}`;
  const run = `AGENT_SERVER_URL=${location.origin} AGENT_SANDBOX_ID=my-sandbox \\\n  AGENT_TOKEN=… sandbeat run`;
  return el(
    "div.nothing",
    { hidden: true },
    el("h2", {}, "No sandboxes yet"),
    el("p", {}, "A sandbox appears here as soon as it is registered or reports for the first time."),
    el("ol", {}, step("Register one; its token is printed, this once. With an admin key, name its file with --key-file.", register), step("Run the agent in it with that token. A hub with open enrolment needs neither the token nor the first step.", run)),
  );
}

/** What is said when the filter matches nothing; `clear()` takes it away. */
export function noMatch({ clear }) {
  const text = el("p");
  const node = el("div.nothing.slim", { hidden: true }, el("h2", {}, "Nothing matches"), text, el("button", { type: "button", onclick: clear }, "Show all"));
  return { node, show: (what) => setText(text, what) };
}

function step(text, command) {
  const code = el("code", {}, command);
  const copy = el("button.quiet", { type: "button", "aria-label": `Copy: ${text}` }, "Copy");
  // Only where the page came over a connection that browsers trust.
  copy.hidden = !navigator.clipboard;
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(command);
    setText(copy, "Copied");
  });
  return el("li", {}, el("p", {}, text), el("pre", {}, code, copy));
}
