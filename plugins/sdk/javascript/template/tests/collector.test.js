import assert from 'node:assert/strict';
import { test } from 'node:test';

import queue, { DISTRIBUTION, LENGTH, NAME, OBSERVATIONS, PATH } from '../collector.js';
import { ConfigError, DeniedError, InternalError, UnavailableError } from '../sandbeat/index.js';
import { Sandbox } from '../sandbeat/testing.js';

const FILE = '/run/{{name}}/length';

/** @param {number[]} lengths */
function distributionOf(...lengths) {
  const distribution = DISTRIBUTION.empty();
  for (const length of lengths) distribution.record(length);
  return distribution;
}

test('it reports what the file says', async () => {
  const sandbox = new Sandbox({ files: { [FILE]: '7\n' }, config: { name: 'mail' } });
  const mail = NAME.is('mail');
  assert.deepEqual(await sandbox.collect(queue), [
    LENGTH.value(7, mail),
    OBSERVATIONS.value(1, mail),
    DISTRIBUTION.value(distributionOf(7), mail),
    PATH.value(FILE),
  ]);
  assert.deepEqual(sandbox.lines, [{ level: 'debug', message: `read 7 from ${FILE}` }]);
});

test('it counts on from the call before', async () => {
  const sandbox = new Sandbox({ files: { [FILE]: '0' } });
  await sandbox.collect(queue);
  sandbox.files = { [FILE]: '1001' };
  const [, observations, distribution] = await sandbox.collect(queue);
  assert.deepEqual(observations, OBSERVATIONS.value(2, NAME.is('default')));
  assert.deepEqual(distribution, DISTRIBUTION.value(distributionOf(0, 1001), NAME.is('default')));
});

test('state of another version counts as none', async () => {
  const other = new Uint8Array([63]);
  const sandbox = new Sandbox({ files: { [FILE]: '3' }, state: { observations: other, distribution: other } });
  const [, observations] = await sandbox.collect(queue);
  assert.deepEqual(observations, OBSERVATIONS.value(1, NAME.is('default')));
});

test('it says once that the queue is empty', async () => {
  const sandbox = new Sandbox();
  for (const length of ['0', '0', '1', '0']) {
    sandbox.files = { [FILE]: length };
    await sandbox.collect(queue);
  }
  const said = sandbox.lines.filter(({ level }) => level === 'info').map(({ message }) => message);
  assert.deepEqual(said, ['the queue is empty', 'the queue is empty']);
});

test('an error says who must act', async () => {
  await assert.rejects(new Sandbox().collect(queue), isA(DeniedError, `\`${FILE}\` is not granted`));
  const missing = new Sandbox({ files: { [FILE]: undefined } });
  await assert.rejects(missing.collect(queue), isA(UnavailableError, `\`${FILE}\` is not there`));
  for (const content of ['', 'many', '-1', '1.5', new Uint8Array([255])]) {
    const broken = new Sandbox({ files: { [FILE]: content } });
    await assert.rejects(broken.collect(queue), isA(InternalError, `\`${FILE}\` `));
  }
  const mistyped = new Sandbox({ config: { pth: FILE } });
  await assert.rejects(mistyped.collect(queue), isA(ConfigError, '`pth` is an unknown key; did you mean `path`?'));
  for (const path of [5, 'length']) {
    await assert.rejects(new Sandbox({ config: { path } }).collect(queue), isA(ConfigError, '`path` '));
  }
  for (const name of [5, '', 'é'.repeat(129)]) {
    const sandbox = new Sandbox({ files: { [FILE]: '3' }, config: { name } });
    await assert.rejects(sandbox.collect(queue), isA(ConfigError, '`name` '));
  }
});

/**
 * @param {new (...rest: never[]) => Error} kind
 * @param {string} start
 */
function isA(kind, start) {
  return (/** @type {Error} */ error) => error instanceof kind && error.message.startsWith(start);
}
