// Everything by keys alone, with the focus where a reader expects it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { launch, lists, says, visit } from "./browser.js";
import { fakeHub } from "./fake-hub.js";
import { sampleEvents, sampleFleet, sampleHistory } from "./sample.js";

let browser;
let hub;
before(async () => {
  [browser, hub] = await Promise.all([launch(), fakeHub({ sandboxes: sampleFleet(200), events: sampleEvents(), history: sampleHistory })]);
});
after(() => Promise.all([browser?.close(), hub?.stop()]));

const active = (page) =>
  page.evaluate(() => {
    const id = document.querySelector("[role=grid]").getAttribute("aria-activedescendant");
    return id && document.getElementById(id).dataset.id;
  });
const focused = (page) => page.evaluate(() => document.activeElement.id || document.activeElement.getAttribute("aria-label") || document.activeElement.textContent);

test("search, choose, open, read, close, go on", async () => {
  const page = await visit(browser, hub.url);
  const { keyboard } = page;
  await keyboard.press("/");
  assert.equal(await focused(page), "Search sandboxes");
  await keyboard.type("workspace");
  await says(page, ".shown", /of 200 sandboxes/);
  await keyboard.press("ArrowDown");
  assert.equal(await focused(page), "sandboxes");
  const first = await active(page);
  await keyboard.press("ArrowDown");
  await keyboard.press("j");
  const third = await active(page);
  assert.notEqual(third, first);
  await keyboard.press("k");
  await keyboard.press("ArrowUp");
  assert.equal(await active(page), first);
  await keyboard.press("End");
  const last = await active(page);
  const inSight = await page.$eval(".row.active", (node) => {
    const [row, grid] = [node.getBoundingClientRect(), node.closest(".grid").getBoundingClientRect()];
    return row.top >= grid.top && row.bottom <= grid.bottom + 1;
  });
  assert.ok(inSight, "the active row is in sight");
  await keyboard.press("Home");
  await keyboard.press("PageDown");
  assert.ok(![first, last].includes(await active(page)));
  const chosen = await active(page);
  await keyboard.press("Enter");
  await says(page, ".facts, #detail-title", /./);
  assert.equal(await focused(page), "detail-title");
  assert.equal(new URLSearchParams(new URL(page.url()).hash.slice(1)).get("open"), chosen);
  await keyboard.press("Escape");
  assert.equal(await focused(page), "sandboxes");
  assert.equal(await active(page), chosen, "where one was");
  assert.ok(await page.$eval(".detail", (node) => node.hidden));
  await keyboard.press("/");
  await keyboard.press("Escape");
  assert.equal(await page.$eval("search input", (node) => node.value), "");
  await page.end();
});

test("each control can be reached with Tab, and shows that it is", async () => {
  const page = await visit(browser, `${hub.url}/#open=box-0001`);
  await says(page, "section.metrics .tally", "9");
  const seen = new Set();
  for (let step = 0; step < 80; step += 1) {
    await page.keyboard.press("Tab");
    const { name, visible } = await page.evaluate(() => {
      const node = document.activeElement;
      const style = getComputedStyle(node);
      return { name: node.getAttribute("aria-label") ?? node.innerText?.trim(), visible: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0 };
    });
    if (name === undefined || name === "") continue;
    if (seen.has(name) && name === "Search sandboxes") break;
    seen.add(name);
    assert.ok(visible || name.length > 500, `the focus of ${name} can be seen`);
  }
  for (const name of ["Search sandboxes", "Keys", "Sandboxes", "Close", "Processes", "As a table", "Filter metrics"]) {
    assert.ok([...seen].some((other) => other === name), `${name} is among ${[...seen].join(" | ")}`);
  }
  await page.end();
});

test("the headings sort, and the keys are told", async () => {
  const page = await visit(browser, hub.url);
  await page.focus(".cell.name button");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Enter");
  assert.equal(new URL(page.url()).hash, "#sort=-name");
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.type("?");
  await says(page, "dialog.keys[open] h2", "Keys");
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog.keys:not([open])");
  await page.focus(tile("lost"));
  await page.keyboard.press("Space");
  await lists(page, ["box-0037", "box-0000"]);
  await page.end();
});

function tile(group) {
  return `.glance button[data-state="${group}"]`;
}
