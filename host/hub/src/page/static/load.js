// Reading the list of sandboxes, page by page, into the fleet.

import { get } from "./api.js";

const PAGE = 1000;
// Beyond this the page would be slow; a search then asks the hub.
const MOST = 50_000;

/** Reads the whole list, as far as it is shown. `progress(total)` is called after each page; tells whether all is there. */
export async function readAll(fleet, { progress }) {
  const begun = performance.now();
  const { complete } = await readPages(fleet, "", { most: MOST, progress });
  fleet.sweep(begun);
  return complete;
}

/** Reads what the hub finds for a search, beside what is there. */
export function readMatching(fleet, search) {
  return readPages(fleet, `&search=${encodeURIComponent(search)}`, { most: PAGE, progress: () => {} });
}

async function readPages(fleet, filter, { most, progress }) {
  let cursor = "";
  for (let read = 0; read < most; read += PAGE) {
    // What the stream tells from now on is newer than this page.
    const asked = performance.now();
    const page = await get(`/api/v1/sandboxes?limit=${PAGE}${filter}${cursor}`);
    for (const sandbox of page.sandboxes) fleet.put(sandbox, asked);
    progress(page.total);
    if (!page.nextCursor) return { complete: true };
    cursor = `&cursor=${encodeURIComponent(page.nextCursor)}`;
  }
  return { complete: false };
}
