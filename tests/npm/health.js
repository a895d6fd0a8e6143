// Health, and the token.

import assert from "node:assert/strict";
import { test } from "node:test";

import { SandboxAgent, SandboxAgentError } from "sandbox-agent";

import { differ } from "./differences.js";

export function health(running) {
  const { server } = running;

  test("getHealth says ok", async () => {
    // Of all requests only this one does not wait until the server is up.
    await running.client.listProcesses();
    const answer = await running.client.getHealth();
    assert.equal(answer.status, "ok");
    const more = Object.keys(answer).filter((key) => key !== "status").length > 0;
    assert.equal(more, differ("health-body", server, { reference: false, sandbeat: true }));
  });

  test("without the token everything is refused, health included", async () => {
    const stranger = await SandboxAgent.connect({ baseUrl: running.baseUrl, skipHealthCheck: true });
    for (const ask of [() => stranger.getHealth(), () => stranger.listProcesses(), () => stranger.listAgents()]) {
      await assert.rejects(ask, (error) => {
        assert.ok(error instanceof SandboxAgentError);
        assert.equal(error.status, 401);
        const type = differ("unauthorized-type", server, {
          reference: "urn:sandbox-agent:error:token_invalid",
          sandbeat: "urn:sandbeat:error:unauthorized",
        });
        assert.equal(error.problem.type, type);
        return true;
      });
    }
    const nowhere = await fetch(`${running.baseUrl}/v1/nowhere`);
    assert.equal(nowhere.status, differ("unauthorized-type", server, { reference: 404, sandbeat: 401 }));
  });
}
