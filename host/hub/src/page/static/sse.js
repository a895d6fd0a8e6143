// Server-sent events as text, after the HTML standard's "event stream interpretation". Pure.

// No event of the hub is near this; what is longer is not an event stream.
const LONGEST = 64 * 1024 * 1024;

/** Takes the stream in pieces, however it is cut. */
export class EventStream {
  #pieces = [];
  #length = 0;
  #afterReturn = false;
  #data = [];
  #type = "";
  #id = null;
  /** The number to go on from; one may come without an event. Null before the first. */
  lastId = null;

  /** The events `{ type, data }` that a piece completes. */
  push(text) {
    const events = [];
    // The return that ended the piece before, and this, are one line's end.
    let start = this.#afterReturn && text.startsWith("\n") ? 1 : 0;
    if (text !== "") this.#afterReturn = text.endsWith("\r");
    for (const { 0: end, index } of text.matchAll(/\r\n|\n|\r/g)) {
      if (index < start) continue;
      const event = this.#line(this.#pieces.join("") + text.slice(start, index));
      if (event) events.push(event);
      [this.#pieces, this.#length, start] = [[], 0, index + end.length];
    }
    this.#pieces.push(text.slice(start));
    this.#length += text.length - start;
    if (this.#length > LONGEST) throw new Error("an event that does not end");
    return events;
  }

  #line(line) {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return null;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") this.#data.push(value);
    else if (name === "event") this.#type = value;
    else if (name === "id" && !value.includes("\0")) this.#id = value;
    return null;
  }

  #dispatch() {
    const event = this.#data.length > 0 ? { type: this.#type || "message", data: this.#data.join("\n") } : null;
    this.lastId = this.#id;
    [this.#data, this.#type] = [[], ""];
    return event;
  }
}
