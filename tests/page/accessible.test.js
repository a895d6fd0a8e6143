// What axe finds, in light and dark, on a desk and on a phone.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { createRequire } from "node:module";

import { launch, says, visit } from "./browser.js";
import { fakeHub } from "./fake-hub.js";
import { sampleEvents, sampleFleet, sampleHistory } from "./sample.js";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let browser;
let hub;
let empty;
before(async () => {
  const fleet = { sandboxes: sampleFleet(60), events: sampleEvents(), history: sampleHistory };
  [browser, hub, empty] = await Promise.all([launch(), fakeHub(fleet), fakeHub()]);
});
after(() => Promise.all([browser?.close(), hub?.stop(), empty?.stop()]));

const views = [
  ["the list", () => hub.url, () => {}],
  ["a sandbox", () => `${hub.url}/#open=box-0001`, (page) => says(page, "section.metrics .tally", "9")],
  ["a silent sandbox", () => `${hub.url}/#open=box-0002`, (page) => says(page, ".notes", /AGENT_SERVER_URL/)],
  ["no match", () => `${hub.url}/#q=zebra`, (page) => says(page, ".nothing.slim h2", "Nothing matches")],
  ["no sandboxes", () => empty.url, (page) => says(page, ".nothing h2", "No sandboxes yet")],
  ["the keys", () => hub.url, (page) => page.keyboard.type("?")],
];

for (const theme of ["light", "dark"]) {
  for (const [size, width] of [["a desk", 1440], ["a phone", 390]]) {
    for (const [view, url, ready] of views) {
      test(`${view}, ${theme}, on ${size}`, async () => {
        const page = await visit(browser, url(), { theme, width, height: 900 });
        await ready(page);
        await page.evaluate(AXE);
        const { violations } = await page.evaluate(() => axe.run());
        assert.deepEqual(violations.map(({ id, nodes }) => [id, ...nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`)]), []);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
        assert.ok(!wide, "nothing sticks out to the side");
        await page.end();
      });
    }
  }
}
