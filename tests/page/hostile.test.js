// Nothing that a sandbox, or who registers one, says is ever more than text.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { launch, rowOf, says, visit } from "./browser.js";
import { startHub } from "./hub.js";

const MARKUP = `"'><img src=x onerror=alert(1)><script>alert(2)</script><b id=injected>b</b>&lt;i&gt;`;
const ADDRESS = "javascript:alert(3)//";

let browser;
let hub;
before(async () => {
  browser = await launch();
  hub = await startHub();
});
after(() => Promise.all([browser?.close(), hub?.stop()]));

test("markup stays text wherever it is said", async () => {
  const { length } = MARKUP;
  await hub.register({ id: "registered", name: MARKUP, image: MARKUP, metadata: { team: MARKUP } });
  const grant = { name: MARKUP, version: MARKUP, digest: MARKUP, world: MARKUP, state: "failing", failure: "trap", reason: MARKUP, grants: [MARKUP] };
  const plugin = { ...grant, calls: 1, failures: 1, pointsRejected: 0, failuresByName: {}, lastError: { failure: "trap", reason: MARKUP, at: "2026-11-20T12:00:00Z" } };
  await hub.report("evil", {
    hostname: MARKUP,
    agentVersion: MARKUP,
    bootId: MARKUP,
    metadata: { [MARKUP.slice(0, 100)]: MARKUP, link: ADDRESS },
    metrics: [{ name: "a.b", kind: "gauge", unit: "<i>", value: 1, attributes: { key: MARKUP }, plugin: MARKUP, ageMs: 1 }],
    processes: { [MARKUP]: { status: "error", restartCount: 0, lastError: MARKUP, baseUrl: ADDRESS, exitSignal: MARKUP } },
    plugins: [plugin],
    rejected: [{ plugin: MARKUP, name: MARKUP, reason: MARKUP, count: 1 }],
    gap: { missed: 1, firstFailure: "2026-11-20T12:00:00Z", lastError: MARKUP },
    resources: { cpuSource: MARKUP, disks: [{ path: MARKUP, sizeBytes: 2, usedBytes: 1, availableBytes: 1 }] },
  });

  const page = await visit(browser, hub.url);
  await says(page, `${rowOf("evil")} .host`, MARKUP);
  await says(page, `${rowOf("registered")} .title`, MARKUP);
  await page.click(`${rowOf("registered")} .state`);
  await says(page, "#detail-title", MARKUP);
  await page.click(`${rowOf("evil")} .state`);
  await says(page, "section.processes tbody", new RegExp(`alert\\(1\\)[^]*${"javascript:alert"}`));
  for (const part of ["processes", "collectors", "metrics", "metadata", "rejected", "resources"]) {
    const text = await page.$eval(`section.${part}`, (node) => node.textContent);
    assert.ok(text.includes(MARKUP.slice(0, Math.min(length, 100))), `${part}: ${text}`);
  }
  await says(page, ".notes", /onerror=alert\(1\)/);
  await says(page, "section.happened .events", /onerror=alert\(1\)/);
  await page.type("search input", MARKUP.slice(0, 40));
  await says(page, ".shown", /1|2/);

  const found = await page.evaluate(() => ({
    elements: document.querySelectorAll("img, script:not([src]), #injected, iframe, object, embed").length,
    handlers: [...document.querySelectorAll("*")].flatMap((node) => node.getAttributeNames()).filter((name) => name.startsWith("on")),
    links: [...document.querySelectorAll("[href]")].map((node) => node.getAttribute("href")).filter((href) => !/^[/#]/.test(href)),
  }));
  assert.deepEqual(found, { elements: 0, handlers: [], links: [] });
  await page.end();
});

test("nothing changes the order in which the page is read", async () => {
  const [said, shown] = ["a\u202egpj\u200b.exe\u2066b", "a\\u{202e}gpj\\u{200b}.exe\\u{2066}b"];
  await hub.register({ id: "turned", name: said, image: said, metadata: { key: said } });
  await hub.report("turning", {
    hostname: said,
    metadata: { [said]: said },
    metrics: [{ name: "a.b", kind: "gauge", unit: "1", value: 1, attributes: { key: said }, plugin: said, ageMs: 1 }],
    processes: { [said]: { status: "error", restartCount: 0, lastError: said } },
    gap: { missed: 1, firstFailure: "2026-11-20T12:00:00Z", lastError: said },
    resources: { cpuSource: said },
  });
  const page = await visit(browser, hub.url);
  await says(page, `${rowOf("turning")} .host`, shown);
  await says(page, `${rowOf("turned")} .title`, shown);
  await page.click(`${rowOf("turned")} .state`);
  await says(page, "#detail-title", shown);
  await page.click(`${rowOf("turning")} .state`);
  for (const part of ["processes", "metrics", "metadata", "happened"]) await says(page, `section.${part}`, new RegExp(shown.replace(/[\\{}]/g, "\\$&")));
  const found = await page.evaluate(() => {
    const texts = [...document.querySelectorAll("*")].flatMap((node) => [...node.attributes].map(({ value }) => value));
    return [document.body.textContent, document.title, ...texts].filter((text) => /[\u202a-\u202e\u2066-\u2069]/.test(text));
  });
  assert.deepEqual(found, []);
  // Letters that are written from right to left turn nothing beside them.
  const isolated = await page.$$eval(".facts .value, section.processes .text, section.happened code", (nodes) =>
    nodes.filter((node) => getComputedStyle(node).unicodeBidi !== "isolate").map((node) => node.outerHTML),
  );
  assert.deepEqual(isolated, []);
  await page.end();
});

test("a link's fragment is no way in either", async () => {
  for (const hash of [`#q=${encodeURIComponent(MARKUP)}`, `#open=${encodeURIComponent(MARKUP)}`, `#is=${encodeURIComponent(MARKUP)}&sort=__proto__`]) {
    const page = await visit(browser, `${hub.url}/${hash}`);
    assert.equal(await page.$("#injected"), null);
    await page.end();
  }
});

test("the browser itself would refuse markup from a script", async () => {
  const page = await browser.newPage();
  await page.goto(hub.url);
  const refused = await page.evaluate(() => {
    try {
      document.body["inner" + "HTML"] = "<b>no</b>";
      return null;
    } catch (error) {
      return error.name;
    }
  });
  assert.equal(refused, "TypeError");
  await page.close();
});
