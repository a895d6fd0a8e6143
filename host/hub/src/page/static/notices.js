// What the page says of itself: how it stands with the hub, what it says aloud, and the question for the key.

import { setKey } from "./api.js";
import { el, setAttribute, setText } from "./dom.js";
import { setSince, since } from "./time.js";
import { spoken } from "./words.js";

// A hub that restarts is back before anyone has read that it was gone.
const DOUBT_MS = 1000;
const TOGETHER_MS = 400;
const MOST_SPOKEN = 3;

const CONNECTION = {
  connecting: ["Connecting", "The first answer is awaited"],
  live: ["Connected", "Changes are shown as they happen"],
  polling: ["Every 5 s", "The stream of events cannot be had; the list is asked for instead"],
  down: ["Offline", "The hub does not answer"],
  locked: ["Locked", "The hub wants its admin key"],
};

/** The connection's state in a word. */
export class Connection {
  constructor() {
    this.word = el("span");
    this.node = el("span.connection", { role: "status" }, el("i.mark", { "aria-hidden": "true" }), this.word);
    this.show("connecting");
  }

  show(state) {
    const [word, meaning] = CONNECTION[state];
    setText(this.word, word);
    setAttribute(this.node, "data-connection", state);
    setAttribute(this.node, "title", meaning);
  }
}

/** The line that says that the hub is gone, or what it refuses; `retry()` tries at once. */
export class Banner {
  #timer = null;
  #gone = null;

  constructor({ retry }) {
    this.text = el("span");
    this.time = since(null);
    this.after = el("span");
    const button = el("button", { type: "button", onclick: retry }, "Try now");
    this.node = el("div.banner", { role: "alert", hidden: true }, el("p", {}, this.text, this.time, this.after), button);
  }

  /** The hub does not answer. */
  gone() {
    if (this.#gone !== null) return;
    this.#gone = new Date().toISOString();
    this.#timer = setTimeout(() => {
      const clock = new Date(this.#gone).toLocaleTimeString();
      this.#show(`The hub has not answered since ${clock} (`, "). What is shown is from before. Reconnecting…", this.#gone);
    }, DOUBT_MS);
  }

  /** The hub answers, and refuses. */
  refused(message) {
    this.clear();
    this.#show(message, "", null);
  }

  clear() {
    clearTimeout(this.#timer);
    this.#gone = null;
    this.node.hidden = true;
  }

  #show(text, after, time) {
    setText(this.text, text);
    setSince(this.time, time);
    setText(this.after, after);
    this.node.hidden = false;
  }
}

/** Says what matters to those who do not see it; many things at once become one. */
export class Voice {
  #waiting = [];
  #timer = null;
  node = el("div.unseen", { "aria-live": "polite", role: "log", "aria-label": "Announcements" });

  event(event) {
    const text = spoken(event);
    if (text !== null) this.say(text, event.type);
  }

  say(text, kind = text) {
    this.#waiting.push([text, kind]);
    this.#timer ??= setTimeout(() => this.#speak(), TOGETHER_MS);
  }

  #speak() {
    this.#timer = null;
    const kinds = Map.groupBy(this.#waiting.splice(0), ([, kind]) => kind);
    const lines = [...kinds].flatMap(([kind, texts]) =>
      texts.length > MOST_SPOKEN ? [`${texts.length} times: ${kind.replace("-", " ")}`] : texts.map(([text]) => text),
    );
    this.node.replaceChildren(...lines.map((line) => el("p", {}, line)));
  }
}

/** Asks for the admin key; `unlock()` goes on with it. */
export class Lock {
  constructor({ unlock }) {
    this.field = el("input", { type: "password", id: "key", autocomplete: "off", required: true, spellcheck: "false", "aria-describedby": "key-note" });
    this.note = el("p", { id: "key-note" });
    const form = el(
      "form",
      { onsubmit: (event) => this.#submit(event, unlock) },
      el("h2", { id: "lock-title" }, "Admin key"),
      this.note,
      el("label.unseen", { for: "key" }, "Admin key"),
      this.field,
      el("button.primary", { type: "submit" }, "Continue"),
      el("p.fine", {}, "It stays in this tab, until the tab is closed or you choose to forget it."),
    );
    this.node = el("dialog.lock", { "aria-labelledby": "lock-title", oncancel: (event) => event.preventDefault() }, form);
  }

  /**
   * Asks; `wrong` when there was a key and it was not the hub's. While it asks already nothing changes: more may be
   * refused by then, and what is being typed has to stay.
   */
  ask(wrong) {
    if (this.node.open) return;
    setText(this.note, wrong ? "The hub does not take this key. Please check it and try again." : "This hub shows its fleet to those who have its admin key.");
    setAttribute(this.note, "data-tone", wrong ? "bad" : null);
    setAttribute(this.field, "aria-invalid", wrong ? "true" : null);
    this.node.showModal();
    this.field.value = "";
    this.field.focus();
  }

  #submit(event, unlock) {
    event.preventDefault();
    setKey(this.field.value.trim());
    this.node.close();
    unlock();
  }
}
