// Ties every call to the OpenAPI document of its server: a route, a parameter or a body that is not described there
// does not compile, and what a call gives is what is described.

import type { CallOptions } from "../options.js";
import { json, text } from "./body.js";
import { type Query, segment, type Transport } from "./transport.js";

type Method = "get" | "post" | "delete";

/** The routes that take a method. */
export type PathOf<Paths, M extends Method> = {
  [P in keyof Paths & string]: Paths[P] extends Record<M, object> ? P : never;
}[keyof Paths & string];

type Operation<Paths, M extends Method, P extends keyof Paths> = Paths[P] extends Record<M, infer O> ? O : never;

type Json<R> = R extends { content: { "application/json": infer J } } ? J : never;

/** The JSON of a 2xx answer. */
export type Answer<O> = O extends { responses: infer R }
  ? { [S in keyof R]: S extends 200 | 201 | 202 ? Json<R[S]> : never }[keyof R]
  : never;

type Body<O> = O extends { requestBody?: { content: { "application/json": infer B } } } ? B : undefined;

type Parameters<O> = O extends { parameters: { query?: infer Q } } ? Loose<NonNullable<Q>> : never;

/** The same, where what is not wanted may also be `undefined`. */
type Loose<T> = { [K in keyof T]?: T[K] | undefined };

/** A call without its method and its path. */
export interface Request<O> extends CallOptions {
  /** What stands in the braces of the path. */
  in?: Readonly<Record<string, string>>;
  query?: Parameters<O>;
  body?: Body<O>;
  /** In place of the client's; `null` for none. */
  token?: string | null | undefined;
  /** GET and DELETE can be repeated; others only when this says so. */
  idempotent?: boolean;
}

/** The routes of one server. */
export class Api<Paths> {
  readonly transport: Transport;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  get<P extends PathOf<Paths, "get">>(path: P, request: Request<Operation<Paths, "get", P>> = {}) {
    return this.#ask("get", path, request);
  }

  post<P extends PathOf<Paths, "post">>(path: P, request: Request<Operation<Paths, "post", P>> = {}) {
    return this.#ask("post", path, request);
  }

  /** The path of a route that is asked otherwise. */
  path(path: PathOf<Paths, "get">, parts?: Readonly<Record<string, string>>): string {
    return filled(path, parts);
  }

  /** One that is not there any more after the connection broke is taken for deleted. */
  async delete<P extends PathOf<Paths, "delete">>(
    path: P,
    request: Request<Operation<Paths, "delete", P>> = {},
  ): Promise<void> {
    const { signal, timeoutMs } = request;
    const call = { method: "DELETE", path: filled(path, request.in), idempotent: true, goneIsDone: true };
    await this.transport.send({ ...call, signal, timeoutMs }, (response) => text(response, call));
  }

  async #ask<M extends "get" | "post", P extends keyof Paths & string>(
    method: M,
    path: P,
    request: Request<Operation<Paths, M, P>>,
  ): Promise<Answer<Operation<Paths, M, P>>> {
    const { in: parts, query, ...rest } = request;
    const call = {
      idempotent: method === "get",
      ...rest,
      method: method.toUpperCase(),
      path: filled(path, parts),
      query: query as Query | undefined,
    };
    // The document says what it is; that the server keeps to it is its own tests' business.
    return this.transport.send(call, async (response) => (await json(response, call)) as never);
  }
}

/** A path with its parts in place. */
function filled(path: string, parts: Readonly<Record<string, string>> = {}): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => segment(name, parts[name] ?? ""));
}
