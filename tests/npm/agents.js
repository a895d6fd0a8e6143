// The coding agents that both know.

import assert from "node:assert/strict";
import { test } from "node:test";

const IDS = ["amp", "claude", "codex", "cursor", "mock", "opencode", "pi"];
const CAPABILITIES = 18;

export function agents(running) {
  test("listAgents lists all that are known, with their capabilities", async () => {
    const { agents } = await running.client.listAgents();
    assert.deepEqual(agents.map((agent) => agent.id).sort(), IDS);
    agents.forEach(check);
  });

  test("getAgent tells the same of one", async () => {
    const { agents } = await running.client.listAgents();
    for (const id of IDS) {
      const agent = await running.client.getAgent(id);
      check(agent);
      assert.deepEqual(agent.capabilities, agents.find((listed) => listed.id === id).capabilities);
    }
  });

  test("the client's options are taken", async () => {
    check(await running.client.getAgent("mock", { config: true }));
    check(await running.client.getAgent("codex", { noCache: true }));
    const { agents } = await running.client.listAgents({ config: false, noCache: true });
    agents.forEach(check);
  });

  test("an agent that nobody knows is an error with its name", async () => {
    for (const id of ["nosuch", "Codex", "a b"]) {
      await assert.rejects(running.client.getAgent(id), (error) => {
        assert.equal(error.status, 400);
        assert.match(error.problem.type, /:unsupported_agent$/);
        assert.ok(error.problem.detail.includes(id), error.problem.detail);
        return true;
      });
    }
  });
}

function check(agent) {
  assert.equal(typeof agent.installed, "boolean");
  assert.equal(typeof agent.credentialsAvailable, "boolean");
  const capabilities = Object.values(agent.capabilities);
  assert.equal(capabilities.length, CAPABILITIES);
  assert.ok(capabilities.every((able) => typeof able === "boolean"));
  for (const key of ["version", "path"]) assert.ok(["string", "undefined"].includes(typeof agent[key]), key);
  const { serverStatus } = agent;
  if (serverStatus) {
    assert.ok(["running", "stopped", "error"].includes(serverStatus.status));
    assert.ok(["number", "undefined"].includes(typeof serverStatus.uptimeMs));
  }
}
