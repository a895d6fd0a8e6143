// Debian's Chromium, without its sandbox where this runs as root, as in a container of CI.

import puppeteer from "puppeteer-core";

/** Starts one. `CHROMIUM` names another than Debian's. */
export function launch() {
  return puppeteer.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [...(process.getuid() === 0 ? ["--no-sandbox"] : []), "--disable-dev-shm-usage"],
  });
}
