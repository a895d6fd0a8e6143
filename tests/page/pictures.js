// Pictures of the page, to look at: `node pictures.js FOLDER`.

import { mkdirSync } from "node:fs";

import { launch } from "./browser.js";
import { fakeHub } from "./fake-hub.js";
import { sampleEvents, sampleFleet, sampleHistory } from "./sample.js";

const folder = process.argv[2] ?? "/tmp/page-pictures";
mkdirSync(folder, { recursive: true });
const browser = await launch();
const hub = await fakeHub({ sandboxes: sampleFleet(10_000), events: sampleEvents(), history: sampleHistory });
const small = await fakeHub({ sandboxes: sampleFleet(12), events: sampleEvents(), history: sampleHistory });
const empty = await fakeHub();

async function picture(name, url, { theme = "light", width = 1440, height = 900, act = async () => {} } = {}) {
  const page = await browser.newPage();
  page.on("pageerror", (error) => console.log(name, error));
  page.on("console", (message) => console.log(name, message.text()));
  await page.setViewport({ width, height, deviceScaleFactor: width < 600 ? 2 : 1 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: theme }]);
  await page.goto(url);
  await page.waitForFunction(() => !/Loading|^$/.test(document.querySelector(".shown")?.textContent) || !document.querySelector(".nothing")?.hidden);
  await act(page);
  await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn, 300))));
  await page.screenshot({ path: `${folder}/${name}.png` });
  await page.close();
}

for (const theme of ["light", "dark"]) {
  await picture(`list-${theme}`, small.url, { theme });
  await picture(`list-10000-${theme}`, hub.url, { theme });
  await picture(`detail-${theme}`, `${small.url}/#open=box-0001`, { theme, act: (page) => page.waitForSelector("tbody tr") });
  await picture(`phone-list-${theme}`, small.url, { theme, width: 390, height: 844 });
  await picture(`phone-detail-${theme}`, `${small.url}/#open=box-0001`, { theme, width: 390, height: 844, act: (page) => page.waitForSelector("tbody tr") });
}
await picture("detail-tall", `${small.url}/#open=box-0001`, { height: 2600, act: (page) => page.waitForSelector("tbody tr") });
await picture("detail-silent", `${small.url}/#open=box-0002`, {});
await picture("empty", empty.url, {});
await picture("nothing-matches", `${small.url}/#q=zebra`, {});
await picture("gone", small.url, {
  act: async (page) => {
    await small.stop();
    await page.waitForSelector(".banner:not([hidden])");
  },
});
await Promise.all([hub.stop(), empty.stop(), browser.close()]);
