// Reading what a server answers, as far as one should.

import { ApiError, type Asked, type Problem, ProtocolError } from "../errors.js";
import type { FetchResponse } from "../options.js";
import { retryAfter } from "./retry.js";

/** More than any answer has: a whole log of 64 MiB, in base64. */
const LONGEST_ANSWER = 128 * 1024 * 1024;
/** More than any error has. */
const LONGEST_ERROR = 64 * 1024;
/** The most characters of each text of an error. */
const LONGEST_TEXT = 4096;

/** An answer as text. */
export async function text(response: FetchResponse, asked: Asked): Promise<string> {
  const bytes = await read(response, LONGEST_ANSWER);
  if (bytes.truncated)
    throw new ProtocolError(asked, `the answer is longer than ${LONGEST_ANSWER} bytes; ask for less at once`);
  return bytes.text;
}

/** An answer as JSON. */
export async function json(response: FetchResponse, asked: Asked): Promise<unknown> {
  const body = await text(response, asked);
  try {
    return JSON.parse(body);
  } catch (cause) {
    throw new ProtocolError(asked, `the answer (${response.status}) is not JSON`, { cause });
  }
}

/** What a response that is not 2xx says. */
export async function refusal(response: FetchResponse, asked: Asked): Promise<ApiError> {
  // What it says comes second: that it says no is known.
  const body = await read(response, LONGEST_ERROR).catch(() => undefined);
  const problem = understood(body?.text ?? "", response.status);
  return new ApiError(asked, response.status, problem, retryAfter(response.headers.get("retry-after")));
}

/** The hub's `{code,message,details?}`, the agent's `application/problem+json`, or nothing that is known. */
export function understood(body: string, status: number): Problem {
  const fields = parsed(body);
  const word = (name: string): string | undefined => {
    const value = fields[name];
    return typeof value === "string" && value !== "" ? value.slice(0, LONGEST_TEXT) : undefined;
  };
  const type = word("type");
  const problems = Array.isArray(fields["problems"]) ? fields["problems"] : [];
  return {
    code: type?.slice(type.lastIndexOf(":") + 1) ?? String(status),
    title: word("title"),
    detail: word("detail") ?? word("message"),
    details: word("details"),
    type,
    problems: problems.filter((problem) => typeof problem === "string"),
  };
}

function parsed(body: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

/** A body up to so many bytes; what follows is left unread. */
async function read(response: FetchResponse, most: number): Promise<{ text: string; truncated: boolean }> {
  if (!response.body) return { text: "", truncated: false };
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (let length = 0; ;) {
    const { done, value } = await reader.read();
    if (done || !value) return { text: text + decoder.decode(), truncated: false };
    length += value.byteLength;
    if (length > most) {
      // Nobody waits for what it comes to: it is not wanted any more.
      void reader.cancel().catch(() => undefined);
      return { text, truncated: true };
    }
    text += decoder.decode(value, { stream: true });
  }
}
