// Server-sent events out of bytes, as the WHATWG's HTML standard has it ("Interpreting an event stream"). Pure.
//
// Own code because it is short, and because what is read here comes from outside and has to be bounded.

/** No line, and no event, is longer; in UTF-16 units. */
export const LONGEST = 16 * 1024 * 1024;

/** An event. */
export interface Message {
  /** `message` where the stream names none. */
  readonly event: string;
  readonly data: string;
}

/** What is longer than it may be. */
export class TooLong extends Error {}

/** Takes a stream's bytes as they come. */
export class EventParser {
  // The standard's "UTF-8 decode": a byte order mark at the beginning is passed over, what is no UTF-8 is replaced.
  readonly #decoder = new TextDecoder();
  /** The line that has begun, and whether a line feed that comes next ends the line before it. */
  #line = "";
  #afterReturn = false;
  #event = "";
  #data: string[] = [];
  #length = 0;
  #id: string;
  #lastEventId: string;
  #retryMs: number | undefined;

  /** `lastEventId` is that of the connection before, where there was one. */
  constructor(lastEventId = "") {
    this.#id = lastEventId;
    this.#lastEventId = lastEventId;
  }

  /** The id of the last event that has ended; empty before the first. */
  get lastEventId(): string {
    return this.#lastEventId;
  }

  /** How long to wait before connecting again, in milliseconds, where the stream has said so. */
  get retryMs(): number | undefined {
    return this.#retryMs;
  }

  /** The events that end in these bytes. Throws `TooLong`. */
  *push(bytes: Uint8Array): Generator<Message, void, undefined> {
    for (const line of this.#lines(this.#decoder.decode(bytes, { stream: true }))) {
      const message = line === "" ? this.#dispatch() : this.#field(line);
      if (message) yield message;
    }
  }

  *#lines(text: string): Generator<string, void, undefined> {
    if (text === "") return;
    let from = this.#afterReturn && text.startsWith("\n") ? 1 : 0;
    this.#afterReturn = text.endsWith("\r");
    const ends = /\r\n|\r|\n/g;
    ends.lastIndex = from;
    for (let end = ends.exec(text); end; end = ends.exec(text)) {
      const line = this.#line + text.slice(from, end.index);
      this.#line = "";
      from = ends.lastIndex;
      check(line.length);
      yield line;
    }
    this.#line += text.slice(from);
    check(this.#line.length);
  }

  #field(line: string): undefined {
    const colon = line.indexOf(":");
    // A comment.
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (name === "event") this.#event = value;
    else if (name === "data") {
      this.#length += value.length + 1;
      check(this.#length);
      this.#data.push(value);
    } else if (name === "id" && !value.includes("\0")) this.#id = value;
    else if (name === "retry" && /^[0-9]+$/.test(value)) this.#retryMs = Number(value);
  }

  #dispatch(): Message | undefined {
    const message = { event: this.#event || "message", data: this.#data.join("\n") };
    const isEmpty = this.#data.length === 0;
    this.#lastEventId = this.#id;
    this.#event = "";
    this.#data = [];
    this.#length = 0;
    return isEmpty ? undefined : message;
  }
}

function check(length: number): void {
  if (length > LONGEST) throw new TooLong(`a line or an event is longer than ${LONGEST} characters`);
}
