import assert from 'node:assert/strict';
import { test } from 'node:test';

import { collector, ConfigError, Gauge, InternalError } from '../sandbeat/index.js';
import { Sandbox } from '../sandbeat/testing.js';

const JOBS = new Gauge('test.jobs', '{job}', 'Jobs.');

/** @param {() => any} collect */
function collecting(collect) {
  return collector({ version: '0.1.0', summary: 'A test.', reports: [JOBS], collect });
}

test('an error of the four stays what it is', async () => {
  const sandbox = new Sandbox();
  const wrong = new ConfigError('x');
  const failing = collecting(() => {
    throw wrong;
  });
  await assert.rejects(sandbox.collect(failing), wrong);
  assert.deepEqual(sandbox.lines, []);
});

test('one that nobody foresaw is named with its place', async () => {
  const measure = () => JSON.parse('many');
  for (const collect of [measure, async () => measure()]) {
    const sandbox = new Sandbox();
    await assert.rejects(sandbox.collect(collecting(collect)), (error) => {
      assert.ok(error instanceof InternalError);
      assert.match(error.message, /^SyntaxError: .* \(.*collector\.test\.js:\d+:\d+ in .*measure.*\)$/);
      return true;
    });
    assert.deepEqual(new Set(sandbox.lines.map(({ level }) => level)), new Set(['error']));
    const said = sandbox.lines.map(({ message }) => message).join('\n');
    assert.match(said, /collector\.test\.js:\d+:\d+ in .*measure/);
    assert.doesNotMatch(said, /sandbeat\/collector\.js/);
  }
});

test('its cause is named and repetitions are counted', async () => {
  const deep = (/** @type {number} */ n) => {
    if (n === 0) throw new Error('first\nsecond', { cause: new TypeError('cause') });
    deep(n - 1);
  };
  const sandbox = new Sandbox();
  await assert.rejects(sandbox.collect(collecting(() => deep(50))), /Error: first second \(/);
  const said = sandbox.lines.map(({ message }) => message);
  assert.ok(
    said.some((line) => /in deep \(\d+ times\)$/.test(line)),
    said.join('\n'),
  );
  assert.match(said.at(-1) ?? '', /^caused by TypeError: cause \(/);
});

test('what is thrown need not be an error', async () => {
  const failing = collecting(() => {
    throw 'just text';
  });
  await assert.rejects(new Sandbox().collect(failing), /^InternalError: just text$/);
});

test('what could not be measured is absent, and what is no point is refused', async () => {
  assert.deepEqual(await new Sandbox().collect(collecting(() => [undefined, JOBS.value(3)])), [JOBS.value(3)]);
  await assert.rejects(new Sandbox().collect(collecting(() => [5])), /returned 5 among them/);
  await assert.rejects(new Sandbox().collect(collecting(() => 5)), /^InternalError: TypeError: /);
});

test('what is not described fails a test', async () => {
  const other = new Gauge('test.other', '1', 'Another.');
  const undescribed = collecting(() => [other.value(1)]);
  await assert.rejects(new Sandbox().collect(undescribed), /`test.other` is not among the `reports`/);
  await new Sandbox().collect({ ...undescribed, others: 'Whatever there is.' });
});

test('a collector without a description is refused', () => {
  assert.throws(() => collector(/** @type {any} */ ({ version: '0.1.0' })), /the collector has no `summary`/);
});
