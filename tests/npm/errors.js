// Requests that the client never makes, and the form of errors.

import assert from "node:assert/strict";
import { test } from "node:test";

import { differ } from "./differences.js";

const JSON_TYPE = { "content-type": "application/json" };
const PROBLEM = "application/problem+json";

export function errors(running) {
  const { server } = running;

  const post = (path, body, headers = JSON_TYPE) => running.fetch(path, { method: "POST", body, headers });

  test("the client's errors carry the status and the problem", async () => {
    await assert.rejects(running.client.getProcess("proc_77"), (error) => {
      assert.equal(error.name, "SandboxAgentError");
      assert.equal(error.status, 404);
      assert.equal(error.message, error.problem.title);
      assert.equal(error.problem.status, 404);
      const type = differ("error-types", server, {
        reference: "urn:sandbox-agent:error:not_found",
        sandbeat: "urn:sandbeat:error:process_not_found",
      });
      assert.equal(error.problem.type, type);
      assert.ok(error.problem.detail.includes("proc_77"));
      return true;
    });
  });

  test("what is malformed has the same status, and is a problem", async () => {
    const large = JSON.stringify({ command: "true", args: ["x".repeat(3 << 20)] });
    for (const [what, status, response] of [
      ["malformed JSON", 400, post("/v1/processes", "{bad")],
      ["a field that is missing", 422, post("/v1/processes", "{}")],
      ["a field of another type", 422, post("/v1/processes/run", '{"command":7}')],
      ["no content type", 415, post("/v1/processes", '{"command":"true"}', { "content-type": "text/plain" })],
      ["a body that is too large", 413, post("/v1/processes", large)],
      ["an unknown owner", 400, running.fetch("/v1/processes?owner=nobody")],
    ]) {
      const answer = await response;
      assert.equal(answer.status, status, what);
      const problem = answer.headers.get("content-type") === PROBLEM;
      assert.equal(problem, differ("extractor-errors", server, { reference: false, sandbeat: true }), what);
      await answer.text();
    }
  });

  test("unknown routes are problems", async () => {
    const answer = await running.fetch("/v1/nowhere");
    assert.equal(answer.status, 404);
    assert.equal(answer.headers.get("content-type"), PROBLEM);
    const method = await running.fetch("/v1/processes", { method: "PUT" });
    assert.equal(method.status, 405);
    const problem = method.headers.get("content-type") === PROBLEM;
    assert.equal(problem, differ("extractor-errors", server, { reference: false, sandbeat: true }));
  });
}
