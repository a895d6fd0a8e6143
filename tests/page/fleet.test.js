// The fleet, as a person watches it.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { launch, lists, loaded, rowOf, says, tileOf, visit } from "./browser.js";
import { QUICK_SECS, startHub } from "./hub.js";

describe("the fleet", () => {
  let browser;
  let hub;
  before(async () => {
    browser = await launch();
    hub = await startHub();
  });
  after(() => Promise.all([browser?.close(), hub?.stop()]));

  test("a sandbox appears by itself, goes lost, recovers, stops, and is gone", async () => {
    const page = await visit(browser, hub.url);
    await says(page, ".nothing:not([hidden]) h2", "No sandboxes yet");
    await says(page, ".nothing pre", `sandbeat hub add my-sandbox --url ${hub.url}\nCopy`);
    await page.evaluate(() => (globalThis.sameDocument = true));

    await hub.register({ id: "first", name: "The first", image: "debian:12" });
    await says(page, `${rowOf("first")} .state`, "Pending");
    await says(page, `${rowOf("first")} .title`, "The first");
    await hub.remove("first");
    await lists(page, []);

    const stop = hub.beat("box", { memoryMB: 1536, resources: { memoryLimitMB: 2048 } });
    await says(page, `${rowOf("box")} .state`, "Live");
    await says(page, `${rowOf("box")} .cpu`, "13 %");
    await says(page, `${rowOf("box")} .memory`, "1.50 GiB");
    await says(page, `${rowOf("box")} .host`, "host-of-box");
    await says(page, `${tileOf("live")} .number`, "1");
    await says(page, `${rowOf("box")} .heard`, "now");

    stop();
    await says(page, `${rowOf("box")} .state`, "Lost");
    await says(page, `${tileOf("lost")} .number`, "1");
    await says(page, "[aria-live=polite][role=log]", /box is lost/);
    await says(page, ".activity .events li", /box\s+Lost/);
    assert.equal(await page.title(), "(1 lost) sandbeat hub");

    const again = hub.beat("box");
    await says(page, `${rowOf("box")} .state`, "Live");
    await says(page, "[aria-live=polite][role=log]", /box has recovered/);
    again();
    await hub.report("box", { status: "stopped" });
    await says(page, `${rowOf("box")} .state`, "Stopped");
    await hub.remove("box");
    await lists(page, []);
    assert.ok(await page.evaluate(() => globalThis.sameDocument), "all of it without a reload");
    await page.end();
  });

  test("filters, search and order are in the address, and the back button leads through them", async () => {
    for (const [id, cpuPercent] of [["red-1", 80], ["red-2", 5], ["blue-1", 40]]) await hub.report(id, { cpuPercent });
    await hub.report("red-3", { status: "stopped", cpuPercent: 1 });
    await hub.register({ id: "grey-1", image: "alpine:3", metadata: { team: "payments" } });
    await hub.report("ill", { cpuPercent: 2, processes: { web: { status: "error", restartCount: 1 } } });

    const page = await visit(browser, hub.url);
    await lists(page, ["ill", "blue-1", "red-1", "red-2", "grey-1", "red-3"]);
    await page.click(tileOf("live"));
    await lists(page, ["ill", "blue-1", "red-1", "red-2"]);
    await page.click(tileOf("process-failed"));
    await lists(page, ["ill"]);
    assert.equal(new URL(page.url()).hash, "#is=live,process-failed");
    await page.goBack();
    await lists(page, ["ill", "blue-1", "red-1", "red-2"]);
    await page.click(".cell.cpu button");
    await lists(page, ["ill", "red-2", "blue-1", "red-1"]);
    await page.click(".cell.cpu button");
    await lists(page, ["red-1", "blue-1", "red-2", "ill"]);
    assert.equal(await page.$eval("[role=columnheader].cpu", (node) => node.getAttribute("aria-sort")), "descending");
    await page.type("search input", "RED");
    await lists(page, ["red-1", "red-2"]);
    await says(page, ".shown", "2 of 6 sandboxes.");
    assert.equal(new URL(page.url()).hash, "#is=live&q=RED&sort=-cpu");

    await page.reload();
    await loaded(page);
    await lists(page, ["red-1", "red-2"]);
    assert.equal(await page.$eval("search input", (node) => node.value), "RED");
    await page.click(".glance .tile");
    await lists(page, ["red-1", "red-2", "red-3"]);
    for (const [words, found] of [["team=payments", ["grey-1"]], ["alpine", ["grey-1"]], ["host-of-blue", ["blue-1"]]]) {
      await page.$eval("search input", (node) => (node.value = ""));
      await page.type("search input", words);
      await lists(page, found);
    }
    await page.type("search input", " zebra");
    await says(page, ".nothing.slim:not([hidden]) h2", "Nothing matches");
    await says(page, ".nothing.slim p", "No sandbox matches “host-of-blue zebra”.");
    await page.click(".nothing.slim button");
    await lists(page, ["red-1", "blue-1", "red-2", "ill", "red-3", "grey-1"]);
    await page.end();
  });

  test("light and dark are the reader's choice, and it lasts", async () => {
    const page = await visit(browser, hub.url, { theme: "dark" });
    const ground = () => page.$eval("body", (node) => getComputedStyle(node).backgroundColor);
    const dark = await ground();
    const button = "button[aria-label^=Theme]";
    await page.click(button);
    const light = await ground();
    assert.notEqual(light, dark);
    await page.reload();
    await loaded(page);
    assert.equal(await ground(), light);
    await page.click(button);
    assert.equal(await ground(), dark);
    await page.end();
  });

  test("so many silent ones at once are doubted, and the page says so", async () => {
    const stops = Array.from({ length: 12 }, (_, index) => hub.beat(`crowd-${index}`, { intervalSecs: QUICK_SECS }));
    const page = await visit(browser, hub.url);
    await says(page, `${rowOf("crowd-0")} .state`, "Live");
    stops.forEach((stop) => stop());
    await says(page, `${rowOf("crowd-0")} .state`, "Suspect");
    await says(page, ".doubt:not([hidden])", /doubts its own network/);
    await page.end();
  });
});
