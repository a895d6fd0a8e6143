// Processes with a terminal, over the log, the input and a websocket.

import assert from "node:assert/strict";
import { test } from "node:test";

import { WebSocket } from "ws";

import { differ } from "./differences.js";
import { text } from "./logs.js";
import { exited } from "./processes.js";
import { until, within } from "./until.js";

export function terminal(running) {
  const { server } = running;

  const create = (script) => running.client.createProcess({ command: "sh", args: ["-c", script], tty: true });

  // The client's session with what it has heard.
  function connect(id) {
    const session = running.client.connectProcessTerminal(id, { WebSocket });
    const heard = { session, ready: [], text: "", exits: [], errors: [] };
    session.onReady((frame) => heard.ready.push(frame));
    session.onData((bytes) => (heard.text += Buffer.from(bytes).toString()));
    session.onExit((frame) => heard.exits.push(frame));
    session.onError((error) => heard.errors.push(error.message));
    return heard;
  }

  test("a terminal has an input, a size and a log of its own", async () => {
    const { client } = running;
    const created = await create("tty; read word; stty size; echo got $word; exec sleep 600");
    const { id } = created;
    assert.equal(created.tty, true);
    assert.equal(created.interactive, false);
    await until("its terminal", async () => /^\/dev\/pts\/\d+\r\n$/.test(await text(client, id)));
    assert.deepEqual(await client.resizeProcessTerminal(id, { cols: 101, rows: 42 }), { cols: 101, rows: 42 });
    assert.deepEqual(await client.sendProcessInput(id, { data: "word\n", encoding: "utf8" }), { bytesWritten: 5 });
    await until("the answer", async () => (await text(client, id)).endsWith("word\r\n42 101\r\ngot word\r\n"));
    const log = await client.getProcessLogs(id);
    assert.equal(log.stream, "pty");
    assert.ok(log.entries.every(({ stream }) => stream === "pty"));
    const combined = (await text(client, id, { stream: "combined" })) !== "";
    assert.equal(combined, differ("combined-of-a-terminal", server, { reference: false, sandbeat: true }));
    const zero = client.resizeProcessTerminal(id, { cols: 0, rows: 24 }).then(
      () => 200,
      (error) => error.status,
    );
    assert.equal(await zero, differ("terminal-of-no-size", server, { reference: 200, sandbeat: 400 }));
    await client.killProcess(id, { waitMs: 5000 });
    await assert.rejects(client.resizeProcessTerminal(id, { cols: 80, rows: 24 }), { status: 409 });
  });

  test("a log of a terminal ends with what was written", async () => {
    const { client } = running;
    const { id } = await create("echo last");
    await exited(client, id);
    await until("the output", async () => (await text(client, id)).startsWith("last\r\n"));
    // The reference writes its own line a moment later.
    const ends = (log) => log.includes("process stream error");
    if (server.name !== "sandbeat") await until("the error", async () => ends(await text(client, id)));
    const wrong = ends(await text(client, id));
    assert.equal(wrong, differ("terminal-ends-with-an-error", server, { reference: true, sandbeat: false }));
  });

  test("a websocket shows the terminal, takes input and sizes, and ends with the process", async () => {
    const { client } = running;
    const { id } = await create("echo before; read word; stty size; echo got $word; exit 4");
    await until("the first line", async () => (await text(client, id)) === "before\r\n");
    const [one, two] = [connect(id), connect(id)];
    await until("both to be ready", () => one.ready.length === 1 && two.ready.length === 1);
    assert.deepEqual(one.ready, [{ type: "ready", processId: id }]);
    assert.equal(one.text, "", "what was there before is in the log");
    one.session.resize({ cols: 77, rows: 11 });
    one.session.sendInput("wo");
    await until("the echo", () => one.text === "wo" && two.text === "wo");
    two.session.sendInput(new TextEncoder().encode("rd\n"));
    await until("the exit", () => one.exits.length === 1 && two.exits.length === 1);
    for (const { session, text, exits, errors } of [one, two]) {
      await within("the end of the websocket", session.closed);
      assert.ok(text.startsWith("word\r\n11 77\r\ngot word\r\n"), JSON.stringify(text));
      assert.deepEqual(exits, [{ type: "exit", exitCode: 4 }]);
      assert.deepEqual(errors, []);
    }
    const late = connect(id);
    await within("the end of a late websocket", late.session.closed);
    assert.equal(late.ready.length, 1);
    assert.deepEqual(late.exits, [{ type: "exit", exitCode: 4 }]);
  });

  test("what is typed reaches a terminal that does nothing but write", { skip: server.name !== "sandbeat" }, async () => {
    const { client } = running;
    const { id } = await create("exec yes a line of output that goes on and on");
    const viewer = connect(id);
    // One that is slow to read, so that there is always something left to be shown.
    viewer.session.socket.on("message", () => {
      viewer.text = "";
      const until = performance.now() + 5;
      while (performance.now() < until);
    });
    await until("it to be ready", () => viewer.ready.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 500));
    viewer.session.sendInput("\x03");
    await until("its end", async () => (await client.getProcess(id)).status === "exited");
    viewer.session.socket.terminate();
  });

  test("frames that are none are told, and closing leaves the process alone", async () => {
    const { client } = running;
    const { id } = await create("exec sleep 600");
    const viewer = connect(id);
    await until("it to be ready", () => viewer.ready.length === 1);
    for (const frame of ["garbage", '{"type":"nope"}', '{"type":"input","data":"%","encoding":"base64"}', Buffer.from("binary")]) {
      const before = viewer.errors.length;
      viewer.session.socket.send(frame);
      await until(`an error for ${frame}`, () => viewer.errors.length > before);
    }
    viewer.session.close();
    await within("the end of the websocket", viewer.session.closed);
    assert.deepEqual(viewer.exits, []);
    assert.equal((await client.getProcess(id)).status, "running");
    await client.killProcess(id, { waitMs: 5000 });
  });

  test("there is no websocket without a terminal, a process or a token", async () => {
    const { client } = running;
    const plain = await client.createProcess({ command: "sleep", args: ["600"] });
    const url = client.buildProcessTerminalWebSocketUrl(plain.id);
    assert.equal(await refused(url), 409);
    assert.equal(await refused(url.replace(plain.id, "proc_999")), 404);
    assert.equal(await refused(url.replace(running.token, "another")), 401);
    assert.equal(await refused(url.replace(/\?.*/, "")), 401);
    await client.killProcess(plain.id, { waitMs: 5000 });
  });
}

// The status with which a websocket is refused.
function refused(url) {
  const socket = new WebSocket(url);
  return within(
    `the refusal of ${url}`,
    new Promise((resolve, reject) => {
      socket.on("unexpected-response", (request, response) => {
        request.destroy();
        resolve(response.statusCode);
      });
      socket.on("open", () => reject(new Error("it was accepted")));
      socket.on("error", () => {});
    }),
  );
}
