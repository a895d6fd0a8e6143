/** The component's entry: the project's `collector.js` behind the exports of the world. */

import collector from '../collector.js';

import { agent } from './agent.js';
import { call, unforeseen } from './collector.js';
import { CollectorError, ConfigError, DeniedError, UnavailableError } from './errors.js';
import { use } from './host.js';
import * as log from './log.js';
import { Distribution, Entry, Key, Metadata, Point } from './metrics.js';

export const guest = {
  describe() {
    use(agent);
    try {
      return description();
    } catch (error) {
      throw toWit(error instanceof CollectorError ? error : unforeseen(error));
    }
  },

  async collect() {
    use(agent);
    try {
      return contribution(await call(collector));
    } catch (error) {
      throw toWit(error);
    }
  },
};

if (!collector.fetch) {
  // It is there, and would end the component.
  globalThis.fetch = () => Promise.reject(new TypeError('`fetch` is left out; set `fetch: true` in the collector'));
}

// Standard output goes nowhere.
for (const [method, write] of Object.entries({
  trace: log.trace,
  debug: log.debug,
  log: log.info,
  info: log.info,
  warn: log.warn,
  error: log.error,
})) {
  Object.assign(console, { [method]: (/** @type {unknown[]} */ ...parts) => write(parts.map(inWords).join(' ')) });
}

/** @param {unknown} part */
function inWords(part) {
  return typeof part === 'object' && part !== null && !(part instanceof Error) ? JSON.stringify(part) : String(part);
}

function description() {
  const { version, summary, reports, others } = collector;
  return {
    version: String(version),
    summary: String(summary),
    metrics: reports.flatMap((handle) => {
      if (handle instanceof Metadata) return [];
      const { name, unit, kind, description, keys } = handle;
      return [{ name, unit, kind, description, attributes: keys.map(described) }];
    }),
    metadata: reports.filter((handle) => handle instanceof Metadata).map(described),
    others,
  };
}

/** @param {Key | Metadata} handle */
function described({ key, description }) {
  return { key, description };
}

/** @param {readonly (Point | Entry)[]} parts */
function contribution(parts) {
  const points = parts.filter((part) => part instanceof Point);
  const entries = parts.filter((part) => part instanceof Entry);
  return {
    metrics: points.map(({ name, unit, kind, value, attributes }) => ({
      name: String(name),
      unit: String(unit),
      value: { tag: kind, val: value instanceof Distribution ? histogram(value) : value },
      attributes: Object.entries(attributes).map(([key, value]) => ({ key, value: String(value) })),
    })),
    metadata: entries.map(({ key, value }) => ({ key: String(key), value: String(value) })),
  };
}

/** @param {Distribution} distribution */
function histogram({ bounds, counts, sum }) {
  return { bounds: Float64Array.from(bounds), counts: BigUint64Array.from(counts, BigInt), sum };
}

/** @param {unknown} error */
function toWit(error) {
  const val = error instanceof Error ? error.message : String(error);
  if (error instanceof ConfigError) return { tag: 'config', val };
  if (error instanceof DeniedError) return { tag: 'denied', val };
  if (error instanceof UnavailableError) return { tag: 'unavailable', val };
  return { tag: 'internal', val };
}
