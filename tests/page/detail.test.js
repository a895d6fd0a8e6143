// One sandbox in depth.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";

import { launch, rowOf, says, visit } from "./browser.js";
import { fakeHub } from "./fake-hub.js";
import { startHub } from "./hub.js";
import { sampleEvents, sampleFleet, sampleHistory } from "./sample.js";

const WEB = { status: "running", phase: "ready", restartCount: 0, pid: 41, uptimeMs: 65_000, baseUrl: "http://127.0.0.1:8000" };
const NET = {
  name: "net",
  version: "0.2.0",
  digest: "sha256:00",
  state: "active",
  grants: ["read /proc/net/dev"],
  calls: 7,
  failures: 0,
  pointsRejected: 0,
  failuresByName: {},
  durationMs: { last: 2, p50: 1.5, p99: 4 },
};

describe("one sandbox", () => {
  let browser;
  let hub;
  before(async () => {
    browser = await launch();
    hub = await startHub();
  });
  after(() => Promise.all([browser?.close(), hub?.stop()]));

  test("it shows what the report says, and what happens to it", async () => {
    const whole = {
      resources: {
        memorySource: "cgroup2",
        memoryLimitMB: 2048,
        cpuLimitCores: 2,
        oomKills: 1,
        pids: 40,
        pidsLimit: 100,
        cpuThrottling: { periods: 100, throttledPeriods: 50, throttledSecs: 90 },
        pressure: { cpu: { some: { avg10: 55, avg60: 5, avg300: 1, totalSecs: 61 } } },
        disks: [{ path: "/work", sizeBytes: 1024, usedBytes: 1000, availableBytes: 24 }],
      },
      metadata: { "git.branch": "feature/x" },
      metrics: [
        { name: "system.network.io", kind: "counter", unit: "By", value: 3_145_728, attributes: { device: "eth0" }, plugin: "net", ageMs: 12 },
        { name: "scan.duration", kind: "histogram", unit: "s", value: { bounds: [1, 2], counts: [9, 1, 0], sum: 8 }, plugin: "net", ageMs: 12 },
      ],
      processes: { web: WEB },
      plugins: [NET],
      rejected: [{ plugin: "net", name: "Bad.Name", reason: "upper case", count: 3 }],
      gap: { missed: 2, firstFailure: "2026-11-20T12:00:00.000Z", lastError: "connection refused" },
    };
    await hub.report("deep", whole);
    const page = await visit(browser, hub.url);
    await page.click(`${rowOf("deep")} .state`);
    await says(page, "#detail-title", "deep");
    assert.equal(new URL(page.url()).hash, "#open=deep");
    await says(page, ".terms.tiles", /CPU\s+13 %\s+of 2 cores[^]*Memory\s+512 MiB\s+of 2.00 GiB[^]*OOM kills\s+1[^]*CPU held back\s+1m 30s\s+in 50 % of periods/);
    await says(page, ".notes", /2 reports before the last one did not arrive: connection refused/);
    await says(page, "section.resources", /CPU, some waited\s+55 %[^]*\/work\s+1,000 B\s+98 %/);
    await says(page, "section.processes", /web\s+http:\/\/127\.0\.0\.1:8000 · pid 41\s+running\s+0\s+1m 5s/);
    await says(page, "section.collectors", /net\s+0\.2\.0\s+active\s+7\s+1\.5 ms\s+read \/proc\/net\/dev/);
    await says(page, "section.metrics", /system\.network\.io\s+counter\s+3\.00 MiB\s+device=eth0\s+net/);
    await says(page, "section.metrics", /scan\.duration\s+histogram\s+10 values · mean 800 ms · p50 ≤ 1 s/);
    await says(page, "section.metadata", /git\.branch\s+feature\/x/);
    await says(page, "section.rejected", /net\s+Bad\.Name\s+upper case\s+3/);
    await says(page, ".plot:nth-of-type(1) .readout", "highest of the minute 13 %");
    await says(page, ".plot:nth-of-type(2) .readout", "highest of the minute 512 MiB");

    const error = { status: "error", phase: "backing-off", restartCount: 1, exitCode: 3, lastError: "exit status 3", nextRestartMs: 4000 };
    const failing = { ...NET, state: "failing", failure: "trap", reason: "a panic in collect", failures: 1 };
    await hub.report("deep", { ...whole, processes: { web: error }, plugins: [failing], gap: undefined });
    await says(page, "section.processes", /web\s+error\s+backing off, again in 4 s\s+1\s+code 3\s+exit status 3/);
    await says(page, "section.collectors", /failing\s+trap\s+7\s+1 failed[^]*a panic in collect/);
    await says(page, "section.happened .events", /Collector failed\s+net\s+a panic in collect[^]*Process failed\s+web\s+exit status 3/);
    await says(page, `${rowOf("deep")} .trouble`, /^$/);
    await page.waitForSelector(".notes[hidden]");
    await page.waitForSelector(`${rowOf("deep")} .trouble:not([hidden])`);

    await page.type("section.metrics input", "scan");
    await page.waitForFunction(() => document.querySelectorAll("section.metrics tbody tr").length === 1);
    await hub.report("deep", { ...whole, cpuPercent: 70 });
    await says(page, "section.happened .events", /Process recovered\s+web/);
    await says(page, ".terms.tiles", /CPU\s+70 %/);
    assert.equal(await page.$eval("section.metrics input", (node) => node.value), "scan", "a report takes nothing away");
    assert.equal((await page.$$("section.metrics tbody tr")).length, 1);
    await hub.remove("deep");
    await says(page, ".notes", "This sandbox was deleted.");
    await page.end();
  });

  test("a registered one that was never heard says how to begin; an unknown one says that", async () => {
    await hub.register({ id: "quiet", metadata: { team: "search" } });
    const page = await visit(browser, `${hub.url}/#open=quiet`);
    await says(page, ".notes", /AGENT_SANDBOX_ID=quiet/);
    await says(page, "section.metadata", /team\s+search/);
    await hub.report("quiet");
    await says(page, ".terms.tiles", /CPU\s+13 %/);
    await page.evaluate(() => (location.hash = "#open=nobody"));
    await says(page, ".notes", "There is no sandbox nobody.");
    await page.end();
  });

  test("five thousand metrics are counted, found, and shown in parts", async () => {
    const metrics = Array.from({ length: 5000 }, (_, index) => ({ name: `m.n${index}`, kind: "gauge", unit: "1", value: index, plugin: "p", ageMs: 0 }));
    await hub.report("rich", { metrics: metrics.map((metric) => ({ ...metric, unit: "By" })) });
    const page = await visit(browser, `${hub.url}/#open=rich`);
    const rows = () => page.$$eval("section.metrics tbody tr", (rows) => rows.length);
    await says(page, "section.metrics .tally", "5,000");
    assert.equal(await rows(), 200);
    await page.click("section.metrics button");
    assert.equal(await rows(), 400);
    await page.type("section.metrics input", "m.n4999");
    await says(page, "section.metrics .tally", "1 of 5,000");
    await page.end();
  });
});

describe("what the hub answers", () => {
  let browser;
  let hub;
  before(async () => (browser = await launch()));
  after(() => browser?.close());
  beforeEach(async () => (hub = await fakeHub({ sandboxes: sampleFleet(3) })));
  afterEach(() => hub.stop());

  test("what the hub has no room for is said, and that parts are unchanged is not", async () => {
    Object.assign(hub.fleet.get("box-0000"), { dropped: true });
    Object.assign(hub.fleet.get("box-0001"), { unchanged: ["metadata"], gap: undefined });
    const page = await visit(browser, `${hub.url}/#open=box-0000`);
    await says(page, ".notes", /^The hub has no room for more than the base figures of its last report \(report_memory\)\.$/m);
    await page.evaluate(() => (location.hash = "#open=box-0001"));
    await says(page, "section.metadata", /git\.branch\s+main/);
    assert.doesNotMatch(await page.$eval(".notes", (node) => node.textContent), /earlier report/);
    await page.end();
  });

  test("a sandbox that reports faster than the hub answers is shown", async () => {
    hub.delayMs = 1500;
    const page = await visit(browser, `${hub.url}/#open=box-0000`);
    const beats = setInterval(() => hub.beat("box-0000"), 200);
    try {
      await says(page, ".terms.tiles", /CPU/);
      hub.fleet.get("box-0000").agentInfo.metrics.cpuPercent = 77;
      await says(page, ".terms.tiles", /CPU\s+77 %/);
    } finally {
      clearInterval(beats);
    }
    await page.end();
  });

  test("a word of state is not broken", async () => {
    const { processes, plugins } = hub.fleet.get("box-0000");
    Object.values(processes).forEach((process) => (process.lastError = "it cannot be started ".repeat(20)));
    plugins.forEach((plugin) => (plugin.grants = ["read directories below /workspace ".repeat(10)]));
    const page = await visit(browser, `${hub.url}/#open=box-0000`, { width: 1280 });
    for (const part of ["processes", "collectors"]) {
      await says(page, `section.${part} tbody td`, /\w/);
      const lines = await page.$$eval(`section.${part} tbody td:nth-child(2) .text`, (nodes) => nodes.map((node) => node.getClientRects().length));
      assert.deepEqual(lines, lines.map(() => 1), part);
    }
    await page.end();
  });

  test("older events are offered as long as they are kept", async () => {
    for (let id = 1; id <= 1100; id += 1) hub.events.unshift({ id, at: new Date().toISOString(), type: "restarted", sandboxId: "box-0000" });
    const page = await visit(browser, `${hub.url}/#open=box-0000`);
    const shown = (number) => page.waitForFunction((number) => document.querySelectorAll("section.happened li").length === number, {}, number);
    for (let number = 50; number < 1000; number += 50) {
      await shown(number);
      await page.$eval("section.happened button", (button) => button.click());
    }
    await shown(1000);
    await page.waitForSelector("section.happened button[hidden]");
    await page.end();
  });
});

describe("an hour of one sandbox", () => {
  let browser;
  let hub;
  before(async () => {
    [browser, hub] = await Promise.all([launch(), fakeHub({ sandboxes: sampleFleet(3), events: sampleEvents(), history: sampleHistory })]);
  });
  after(() => Promise.all([browser?.close(), hub?.stop()]));

  test("the plots read by pointer, by keys and as tables, and show what is missing", async () => {
    const page = await visit(browser, `${hub.url}/#open=box-0001`);
    await says(page, ".plot:nth-of-type(1) .readout", /%$/);
    const path = await page.$eval(".plot .line", (node) => node.getAttribute("d"));
    assert.equal(path.match(/M/g).length, 2, "the minutes without a report are a gap");
    const { x, y, width, height } = await (await page.$(".plot .surface")).boundingBox();
    await page.mouse.move(x + (width * 23.5) / 60, y + height / 2);
    await says(page, ".plot:nth-of-type(1) .readout", /^\d\d:\d\d\s+no report$/);
    await page.mouse.move(x + (width * 46.5) / 60, y + height / 2);
    await says(page, ".plot:nth-of-type(1) .readout", /^\d\d:\d\d\s+\d\d %$/);
    await page.mouse.move(0, 0);
    await page.focus(".plot .surface");
    await page.keyboard.press("ArrowLeft");
    const last = sampleHistory().at(-1);
    await says(page, ".plot:nth-of-type(1) .readout", new RegExp(`^\\d\\d:\\d\\d\\s+${Math.round(last.cpuPercent)} %$`));
    const label = await page.$eval(".plot .surface", (node) => node.getAttribute("aria-label"));
    assert.match(label, /^CPU, the last hour: last \d+ %, highest \d+ % at \d\d:\d\d, lowest \d/);
    await page.click(".plot summary");
    const rows = await page.$$eval(".plot tbody", ([body]) => body.children.length);
    assert.ok(rows === 55 || rows === 54, `${rows} minutes with a report`);
    await page.end();
  });
});
