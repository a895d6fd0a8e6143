// A terminal over a websocket, see docs/api.md.

import { type Asked, ConnectionError, ProtocolError, TimeoutError } from "../errors.js";
import { Deadline } from "../http/deadline.js";
import type { paths } from "../generated/agent.js";
import type { Api } from "../http/contract.js";
import { encode } from "./base64.js";
import type { TerminalSize } from "./types.js";

/** So many bytes of output wait for whoever reads them; a websocket cannot be slowed down. */
const MOST_WAITING = 16 * 1024 * 1024;

export interface TerminalOptions {
  /** Ends the connection, and leaves the process alone. */
  signal?: AbortSignal | undefined;
  /** In place of the global one, which Node has from version 22 on. */
  WebSocket?: (new (url: string) => object) | undefined;
}

/** What is used of a websocket. */
type Socket = Pick<WebSocket, "binaryType" | "onclose" | "onerror" | "onmessage" | "readyState" | "send" | "close">;

/** What the agent says beside the output. */
type Told =
  { type: "ready"; processId: string } | { type: "exit"; exitCode: number | null } | { type: "error"; message: string };

/**
 * A process's terminal: iterate over it for what is written there from now on, until the process or the connection ends.
 * Several can look at one; each byte goes to one iteration of this one.
 */
export class Terminal implements AsyncIterable<Uint8Array> {
  /** The code that the process ended with: `null` where a signal ended it, and where the connection ended before it. */
  readonly exitCode: Promise<number | null>;
  readonly #socket: Socket;
  readonly #asked: Asked;
  #output: Uint8Array[] = [];
  #waiting = 0;
  #error: Error | undefined;
  #isOver = false;
  /** Of the iterations that wait. */
  #wakers: (() => void)[] = [];
  #exit: (code: number | null) => void = () => undefined;
  readonly #opened: (error?: Error) => void;
  readonly #signal: AbortSignal | undefined;

  /** Of a websocket that connects; `opened` is told when it has, or why it has not. See `openTerminal`. */
  constructor(socket: object, asked: Asked, opened: (error?: Error) => void, signal: AbortSignal | undefined) {
    this.#socket = socket as Socket;
    this.#asked = asked;
    this.#opened = opened;
    this.#signal = signal;
    this.exitCode = new Promise((resolve) => (this.#exit = resolve));
    signal?.addEventListener("abort", this.#close, { once: true });
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onmessage = ({ data }) => this.#take(data);
    this.#socket.onerror = () => this.#end(new ConnectionError(asked, "the connection to the terminal broke"));
    this.#socket.onclose = () => this.#end();
  }

  /** Types. Nothing happens when the terminal is gone. */
  write(data: string | Uint8Array): void {
    if (typeof data === "string") this.#tell({ type: "input", data, encoding: "utf8" });
    else this.#tell({ type: "input", data: encode(data), encoding: "base64" });
  }

  resize({ cols, rows }: TerminalSize): void {
    this.#tell({ type: "resize", cols, rows });
  }

  /** Ends the connection, and with it the iteration; the process goes on. */
  close(): void {
    this.#end();
    this.#socket.close();
  }

  /** Throws a `ConnectionError` when the connection breaks, and a `ProtocolError` when too much output waits. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const bytes = this.#output.shift();
      if (bytes) {
        this.#waiting -= bytes.byteLength;
        yield bytes;
      } else if (this.#isOver) {
        if (this.#error) throw this.#error;
        return;
      } else {
        await new Promise<void>((wake) => this.#wakers.push(wake));
      }
    }
  }

  #tell(frame: object): void {
    if (!this.#isOver && this.#socket.readyState === 1) this.#socket.send(JSON.stringify(frame));
  }

  #take(data: unknown): void {
    if (this.#isOver) return;
    if (typeof data === "string") {
      const told = parsed(data);
      // An error is of something that was asked for: the terminal goes on.
      if (told?.type === "ready") this.#opened();
      else if (told?.type === "exit") this.#exit(told.exitCode);
      return;
    }
    const bytes = new Uint8Array(data as ArrayBuffer);
    this.#waiting += bytes.byteLength;
    if (this.#waiting > MOST_WAITING) {
      this.#end(new ProtocolError(this.#asked, `more than ${MOST_WAITING} bytes of output wait to be read`));
      this.#socket.close();
      return;
    }
    this.#output.push(bytes);
    this.#wake();
  }

  /** Has all iterations look again. */
  #wake(): void {
    this.#wakers.splice(0).forEach((wake) => wake());
  }

  #end(error?: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#error = error;
    this.#signal?.removeEventListener("abort", this.#close);
    this.#opened(error ?? new ConnectionError(this.#asked, "there is no connection to the terminal"));
    this.#exit(null);
    this.#wake();
  }

  readonly #close = (): void => this.close();
}

/** Connects. Throws a `ConnectionError` when the agent refuses; a websocket does not tell why. */
export async function openTerminal(api: Api<paths>, id: string, options: TerminalOptions): Promise<Terminal> {
  const asked = { method: "GET", path: api.path("/v1/processes/{id}/terminal/ws", { id }) };
  const Connection = options.WebSocket ?? globalThis.WebSocket;
  if (!Connection) throw new TypeError("there is no global WebSocket here; give one as an option");
  options.signal?.throwIfAborted();
  const { timeoutMs } = api.transport;
  const deadline = new Deadline(options.signal, timeoutMs, () => new TimeoutError(asked, timeoutMs));
  const socket = new Connection(api.transport.webSocketUrl(asked.path));
  try {
    return await new Promise((resolve, reject) => {
      const opened = (error?: Error): void => (error ? reject(error) : resolve(terminal));
      const terminal = new Terminal(socket, asked, opened, options.signal);
      const late = (): void => {
        reject(deadline.signal.reason);
        terminal.close();
      };
      deadline.signal.addEventListener("abort", late, { once: true });
    });
  } finally {
    deadline.close();
  }
}

function parsed(frame: string): Told | undefined {
  try {
    return JSON.parse(frame) as Told;
  } catch {
    return undefined;
  }
}
