/**
 * What a collector can report: constants that carry name, unit and meaning, and the points they make.
 *
 * A handle is written once and used in `reports` (what it means) and in `collect` (what it is now), so that the two
 * cannot disagree. Where names come from elsewhere, such as from a file, a `Point` is made without a handle, and the
 * collector says so (`others`). Names and units are OpenTelemetry's and UCUM's; the agent checks them, and this file
 * does not.
 */

/** @typedef {'gauge' | 'counter' | 'histogram'} Kind Which form a metric's values have. */
/** @typedef {Gauge | Counter | Histogram | Metadata} Handle What a collector can name as something that it reports. */

/** A dimension of metrics, such as `network.interface.name`. */
export class Key {
  /**
   * @param {string} key
   * @param {string} description One sentence on what it means.
   */
  constructor(key, description) {
    this.key = key;
    this.description = description;
  }

  /**
   * The dimension with this value, which is made text: 256 bytes at most.
   * @param {string | number | bigint | boolean} value
   */
  is(value) {
    return new Attribute(this, String(value));
  }
}

/** A dimension of one point, as `Key.is` makes it. */
export class Attribute {
  /**
   * @param {Key} key
   * @param {string} value
   */
  constructor(key, value) {
    this.key = key;
    this.value = value;
  }
}

/** One data point. What is known beforehand is better made by a handle. */
export class Point {
  /**
   * @param {string} name The metric's name.
   * @param {string} unit Its unit in UCUM's notation.
   * @param {Kind} kind What the value is.
   * @param {number | Distribution} value A `Distribution` for a histogram; for the others a finite number, not negative
   *   for a counter.
   * @param {Readonly<Record<string, string>>} attributes Its dimensions.
   */
  constructor(name, unit, kind, value, attributes = {}) {
    this.name = name;
    this.unit = unit;
    this.kind = kind;
    this.value = value;
    this.attributes = attributes;
  }
}

/** One metadata entry. */
export class Entry {
  /**
   * @param {string} key
   * @param {string} value Free text without control characters and what shows nothing where it stands or changes how text is read, 1024
   *   bytes at most.
   */
  constructor(key, value) {
    this.key = key;
    this.value = value;
  }
}

/** What the handles of numeric metrics have in common. */
class Numeric {
  /**
   * @param {Kind} kind
   * @param {string} name
   * @param {string} unit
   * @param {string} description
   * @param {readonly Key[]} keys
   */
  constructor(kind, name, unit, description, keys) {
    this.kind = kind;
    this.name = name;
    this.unit = unit;
    this.description = description;
    this.keys = keys;
  }

  /**
   * @protected
   * @param {number | Distribution} value
   * @param {readonly Attribute[]} attributes
   */
  point(value, attributes) {
    for (const { key } of attributes) {
      if (!this.keys.includes(key)) {
        throw new TypeError(`\`${this.name}\` has no key \`${key.key}\`; name it in the metric's \`keys\``);
      }
    }
    const pairs = attributes.map(({ key, value }) => [key.key, value]);
    return new Point(this.name, this.unit, this.kind, value, Object.fromEntries(pairs));
  }
}

/** What something is right now; it may go up and down. */
export class Gauge extends Numeric {
  /**
   * @param {string} name
   * @param {string} unit In UCUM's notation.
   * @param {string} description One sentence on what it means.
   * @param {{ keys?: readonly Key[] }} options `keys`: the dimensions that its points can have.
   */
  constructor(name, unit, description, { keys = [] } = {}) {
    super('gauge', name, unit, description, keys);
  }

  /**
   * What it is now.
   * @param {number | bigint} value
   * @param {...Attribute} attributes
   */
  value(value, ...attributes) {
    return this.point(number(value), attributes);
  }
}

/** A total that only grows until its source starts again, such as bytes received since boot. */
export class Counter extends Numeric {
  /**
   * @param {string} name
   * @param {string} unit In UCUM's notation.
   * @param {string} description One sentence on what it means.
   * @param {{ keys?: readonly Key[] }} options `keys`: the dimensions that its points can have.
   */
  constructor(name, unit, description, { keys = [] } = {}) {
    super('counter', name, unit, description, keys);
  }

  /**
   * The total since its source started; not negative.
   * @param {number | bigint} total
   * @param {...Attribute} attributes
   */
  value(total, ...attributes) {
    return this.point(number(total), attributes);
  }
}

/** How measurements are distributed over buckets with fixed bounds. */
export class Histogram extends Numeric {
  /**
   * @param {string} name
   * @param {string} unit In UCUM's notation.
   * @param {string} description One sentence on what it means.
   * @param {{ bounds: readonly number[], keys?: readonly Key[] }} options `bounds`: inclusive upper bounds, finite and
   *   strictly increasing; `keys`: the dimensions that its points can have.
   */
  constructor(name, unit, description, { bounds, keys = [] }) {
    super('histogram', name, unit, description, keys);
    this.bounds = bounds;
  }

  /** A distribution without a measurement. */
  empty() {
    return new Distribution(this.bounds, new Array(this.bounds.length + 1).fill(0), 0);
  }

  /**
   * What `Distribution.toBytes` made; an empty one where there is nothing, or something of other bounds.
   * @param {Uint8Array | undefined} kept
   */
  restore(kept) {
    const distribution = this.empty();
    const { length } = this.bounds;
    if (kept?.length !== 8 * (2 * length + 2)) return distribution;
    const view = new DataView(kept.buffer, kept.byteOffset, kept.byteLength);
    if (this.bounds.some((bound, index) => view.getFloat64(8 * index, true) !== bound)) return distribution;
    distribution.counts = distribution.counts.map((_, index) => Number(view.getBigUint64(8 * (length + index), true)));
    distribution.sum = view.getFloat64(8 * (2 * length + 1), true);
    return distribution;
  }

  /**
   * The distribution so far.
   * @param {Distribution} distribution
   * @param {...Attribute} attributes
   */
  value(distribution, ...attributes) {
    return this.point(distribution, attributes);
  }
}

/**
 * Measurements by bucket, as a `Histogram` makes them.
 *
 * Its counts run since the collector started to count, so keep it in `state` from one collect to the next.
 */
export class Distribution {
  /**
   * @param {readonly number[]} bounds Inclusive upper bounds; a last bucket without one follows them.
   * @param {number[]} counts Measurements per bucket, not cumulative: one more than `bounds`.
   * @param {number} sum The sum of all measurements, in the metric's unit.
   */
  constructor(bounds, counts, sum) {
    this.bounds = bounds;
    this.counts = counts;
    this.sum = sum;
  }

  /**
   * Counts one measurement; what is not finite is left out.
   * @param {number | bigint} measurement
   */
  record(measurement) {
    const value = number(measurement);
    if (!Number.isFinite(value)) return;
    const bucket = this.bounds.findIndex((bound) => value <= bound);
    this.counts[bucket < 0 ? this.bounds.length : bucket] += 1;
    this.sum += value;
  }

  /** The form in which it can be kept in `state`; `Histogram.restore` reads it. */
  toBytes() {
    const { length } = this.bounds;
    const view = new DataView(new ArrayBuffer(8 * (2 * length + 2)));
    this.bounds.forEach((bound, index) => view.setFloat64(8 * index, bound, true));
    this.counts.forEach((count, index) => view.setBigUint64(8 * (length + index), BigInt(count), true));
    view.setFloat64(8 * (2 * length + 1), this.sum, true);
    return new Uint8Array(view.buffer);
  }
}

/** One fact that is not a number, such as `git.branch` = `main`. */
export class Metadata {
  /**
   * @param {string} key
   * @param {string} description One sentence on what it means.
   */
  constructor(key, description) {
    this.key = key;
    this.description = description;
  }

  /**
   * What it is now.
   * @param {string} value
   */
  value(value) {
    return new Entry(this.key, String(value));
  }
}

/** @param {number | bigint} value */
function number(value) {
  if (typeof value !== 'number' && typeof value !== 'bigint') {
    throw new TypeError(
      `a measurement has to be a number, and is ${typeof value === 'string' ? JSON.stringify(value) : String(value)}`,
    );
  }
  return Number(value);
}
