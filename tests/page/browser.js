// Debian's Chromium, and what every test sees to: no script fails, nothing breaks the page's policy, nothing is asked of
// another origin, and nothing that runs opens a dialog.

import assert from "node:assert/strict";

import puppeteer from "puppeteer-core";

const PATIENCE_MS = 30_000;
// What a browser says of a hub that is gone, or refuses, is what the tests make happen.
const EXPECTED = /^Failed to load resource/;

/**
 * Starts one; without its own sandbox where this runs as root, as in a container. `CHROMIUM` names another program. One
 * that ends while it starts, which Chromium does now and then, is started once more: nothing was tested yet.
 */
export function launch() {
  const start = () =>
    puppeteer.launch({
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: [...(process.getuid() === 0 ? ["--no-sandbox"] : []), "--disable-dev-shm-usage"],
    });
  return start().catch(start);
}

/** Opens an address in a tab without a past. `end()` closes it and asserts that it behaved. */
export async function visit(browser, url, { width = 1440, height = 900, theme = "light", ready = true } = {}) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  const troubles = [];
  page.setDefaultTimeout(PATIENCE_MS);
  page.on("pageerror", (error) => troubles.push(`a script failed: ${error.stack ?? error}`));
  page.on("console", (message) => {
    if (message.type() === "error" && !EXPECTED.test(message.text())) troubles.push(`the console: ${message.text()}`);
  });
  page.on("dialog", (dialog) => {
    troubles.push(`a dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== new URL(url).origin) troubles.push(`another origin: ${request.url()}`);
  });
  await page.evaluateOnNewDocument(() => {
    globalThis.violations = [];
    addEventListener("securitypolicyviolation", (event) => violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
  });
  await page.setViewport({ width, height });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: theme }]);
  await page.goto(url);
  if (ready) await loaded(page);
  return Object.assign(page, {
    async end() {
      troubles.push(...(await page.evaluate(() => violations)));
      await context.close();
      assert.deepEqual(troubles, []);
    },
  });
}

/** Waits until the list is there. */
export function loaded(page) {
  return page.waitForFunction(() => {
    const shown = document.querySelector(".shown");
    return shown && !shown.textContent.startsWith("Loading");
  });
}

/** Waits until what is found says what it should; all of it is compared without its spaces at the ends. */
export async function says(page, selector, expected) {
  const find = (selector, source, flags) => {
    const text = document.querySelector(selector)?.innerText ?? "";
    return new RegExp(source, flags).test(text.trim());
  };
  const pattern = expected instanceof RegExp ? expected : new RegExp(`^${RegExp.escape?.(expected) ?? escape(expected)}$`);
  try {
    await page.waitForFunction(find, {}, selector, pattern.source, pattern.flags);
  } catch {
    const text = await page.evaluate((selector) => document.querySelector(selector)?.innerText, selector);
    assert.fail(`${selector} should say ${pattern} and says ${JSON.stringify(text)}`);
  }
}

/** The ids of the rows in the document, in the order in which they are seen. */
export function ids(page) {
  return page.$$eval(".rows .row", (rows) =>
    rows.sort((a, b) => a.ariaRowIndex - b.ariaRowIndex).map((row) => row.dataset.id),
  );
}

/** Waits until the rows in the document are these. */
export async function lists(page, expected) {
  const same = (expected) => {
    const rows = [...document.querySelectorAll(".rows .row")].sort((a, b) => a.ariaRowIndex - b.ariaRowIndex);
    return rows.map((row) => row.dataset.id).join() === expected;
  };
  try {
    await page.waitForFunction(same, {}, expected.join());
  } catch {
    assert.deepEqual(await ids(page), expected);
  }
}

/** The selector of a sandbox's row. */
export function rowOf(id) {
  return `.rows .row[data-id="${id}"]`;
}

/** The selector of a group's tile. */
export function tileOf(group) {
  return `.glance button[data-state="${group}"]`;
}

function escape(text) {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
