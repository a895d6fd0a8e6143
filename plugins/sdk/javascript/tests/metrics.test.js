import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Counter, Gauge, Histogram, Key, Point } from '../sandbeat/index.js';

const INTERFACE = new Key('network.interface.name', 'The interface.');
const IO = new Counter('test.io', 'By', 'Bytes.', { keys: [INTERFACE] });
const LATENCY = new Histogram('test.latency', 's', 'A latency.', { bounds: [0.1, 1] });

test('a point carries what its handle says', () => {
  const point = new Point('test.io', 'By', 'counter', 7, { 'network.interface.name': 'eth0' });
  assert.deepEqual(IO.value(7n, INTERFACE.is('eth0')), point);
});

test('a key that the handle does not name is refused', () => {
  const other = new Key('other', 'Another.');
  assert.throws(() => IO.value(7, other.is('x')), /^TypeError: `test.io` has no key `other`/);
});

test('what is no number is refused', () => {
  const gauge = new Gauge('test.age', 's', 'An age.');
  assert.throws(() => gauge.value(/** @type {any} */ (undefined)), /has to be a number, and is undefined$/);
});

test('a bound belongs to the bucket below it', () => {
  const latency = LATENCY.empty();
  for (const measurement of [0.05, 0.1, 0.5, 1, 2, NaN, Infinity]) latency.record(measurement);
  assert.deepEqual(latency.counts, [2, 2, 1]);
  assert.ok(Math.abs(latency.sum - 3.65) < 1e-9, String(latency.sum));
});

test('a distribution survives being kept', () => {
  const latency = LATENCY.empty();
  latency.record(0.5);
  assert.deepEqual(LATENCY.restore(latency.toBytes()), latency);
  // Bytes that lie somewhere in a larger buffer, as the agent may hand them over.
  const larger = new Uint8Array([0, ...latency.toBytes()]).subarray(1);
  assert.deepEqual(LATENCY.restore(larger), latency);
});

test('what was kept of other bounds is not used', () => {
  const latency = LATENCY.empty();
  latency.record(0.5);
  const other = new Histogram('test.latency', 's', 'A latency.', { bounds: [0.2, 1] });
  assert.deepEqual(other.restore(latency.toBytes()), other.empty());
  for (const kept of [undefined, new Uint8Array(0), new Uint8Array(8), new Uint8Array(48)]) {
    assert.deepEqual(LATENCY.restore(kept), LATENCY.empty());
  }
});
