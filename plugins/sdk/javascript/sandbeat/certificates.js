/** What `fetch` does not tell of TLS. */

import { current, text } from './host.js';

/**
 * The certificate (X.509, DER) that the server of an origin (`https://example.com:8443`) showed when this call last
 * connected to it, also where it was not trusted; `undefined` when it showed none.
 * @param {string} origin
 */
export function shown(origin) {
  return current().certificate(text(origin, 'an origin'));
}
