// A fleet that is larger than what the page loads of it: what a tile or a search shows is of all of it.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { launch, lists, rowOf, says, tileOf, visit } from "./browser.js";
import { fakeHub } from "./fake-hub.js";
import { QUICK_SECS, startHub } from "./hub.js";

const LOADED = 1000;
const BOXES = 1100;
const AT_ONCE = 32;
// More than the page takes in beyond what it loads.
const TOO_MANY = 12_000;

describe("a fleet that is not loaded as a whole", () => {
  let browser;
  let hub;
  before(async () => {
    browser = await launch();
    hub = await startHub();
    let next = 0;
    const worker = async () => {
      while (next < BOXES) await hub.report(box(next++), { cpuPercent: 5 });
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  });
  after(() => Promise.all([browser?.close(), hub?.stop()]));

  test("what fails or falls silent beyond what is loaded is counted, found and shown", async () => {
    const failing = { processes: { web: { status: "error", restartCount: 1 } } };
    await hub.report("zzz-1", failing);
    const page = await visit(browser, `${hub.url}/#load=${LOADED}`);
    const loaded = /^1,001 of 1,101 sandboxes\. The first 1,000 by id and those in trouble are loaded; the tiles and the search ask the hub\.$/;
    await says(page, ".shown", loaded);
    await says(page, `${rowOf("zzz-1")} .state`, "Live");
    await says(page, `${tileOf("process-failed")} .number`, "1");
    await page.click(tileOf("process-failed"));
    await lists(page, ["zzz-1"]);
    await says(page, ".shown", "1 of 1,101 sandboxes.");

    // Once, with an interval that is over soon.
    await hub.report("zzz-1", { ...failing, intervalSecs: QUICK_SECS });
    await says(page, `${rowOf("zzz-1")} .state`, "Lost");
    await says(page, `${tileOf("lost")} .number`, "1");
    await page.click(tileOf("process-failed"));
    await page.click(tileOf("lost"));
    await lists(page, ["zzz-1"]);
    await page.click(tileOf("live"));
    await says(page, ".shown", "1,101 sandboxes");
    await page.click(".glance .tile");
    await says(page, ".shown", loaded);
    await page.end();
  });

  test("the stream brings in what the view shows, and nothing else", async () => {
    const page = await visit(browser, `${hub.url}/#load=${LOADED}&is=collector-failed`);
    await says(page, ".nothing.slim:not([hidden]) p", "No sandbox is in what you chose.");
    const failing = (state) => ({ plugins: [{ name: "git", state }] });
    await hub.report(box(BOXES - 1), { cpuPercent: 99, ...failing("quarantined") });
    await lists(page, [box(BOXES - 1)]);
    await says(page, `${tileOf("collector-failed")} .number`, "1");
    await page.click(".glance .tile");
    await page.click(".cell.cpu button");
    await says(page, ".shown", /Only those that are loaded are sorted\.$/);
    await hub.report(box(BOXES - 1), failing("active"));
    await says(page, `${tileOf("collector-failed")} .number`, "0");
    await page.click(tileOf("stopped"));
    await says(page, ".nothing.slim:not([hidden]) p", "No sandbox is in what you chose.");
    await hub.report(box(BOXES - 2), { status: "stopped" });
    await lists(page, [box(BOXES - 2)]);
    await page.click(".glance .tile");
    await says(page, ".shown", /^1,00\d of 1,10\d sandboxes\./);
    await page.end();
  });

  test("a search finds whom it means, also by the back button", async () => {
    const page = await visit(browser, `${hub.url}/#load=${LOADED}`);
    await page.type("search input", "0108 host-of-box-0108");
    await lists(page, Array.from({ length: 10 }, (_, last) => box(1080 + last)));
    await says(page, ".shown", /Beyond the first 1,000 by id, ids, names and hosts are searched\.$/);
    await page.click(`${rowOf(box(1089))} .state`);
    await says(page, "#detail-title", box(1089));
    await page.click("button.close");
    await page.$eval("search input", (node) => node.select());
    await page.type("search input", "zebra");
    await says(page, ".nothing.slim:not([hidden]) p", "No sandbox matches “zebra”.");
    await page.goBack();
    await says(page, "#detail-title", box(1089));
    await says(page, ".shown", /^10 of/);
    await page.$eval("search input", (node) => node.select());
    await page.type("search input", "x".repeat(129));
    await says(page, ".shown", /in vain: search: .*128/);
    await page.end();
  });

  test("what is too much to be loaded is said to be", async (t) => {
    const sandboxes = Array.from({ length: LOADED + TOO_MANY }, (_, index) => ({ id: box(index), name: box(index), liveness: index < LOADED ? "live" : "lost", livenessSince: new Date().toISOString(), metadata: {} }));
    const fake = await fakeHub({ sandboxes });
    t.after(() => fake.stop());
    const page = await visit(browser, `${fake.url}/#load=${LOADED}`);
    await says(page, ".shown", /^11,000 of 13,000 sandboxes\. .* The hub has more of them than are loaded\.$/);
    await page.click(tileOf("lost"));
    await says(page, ".shown", "10,000 of 13,000 sandboxes. The hub has more of them than are loaded.");
    await says(page, `${tileOf("lost")} .number`, "12,000");
    await page.click(tileOf("live"));
    await page.click(tileOf("lost"));
    await says(page, ".shown", "1,000 of 13,000 sandboxes.");
    assert.equal(await page.title(), "(12,000 lost) sandbeat hub");
    await page.end();
  });
});

function box(number) {
  return `box-${String(number).padStart(5, "0")}`;
}
