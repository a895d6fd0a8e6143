import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  certificates,
  config,
  ConfigError,
  DeniedError,
  files,
  filesystems,
  InternalError,
  limits,
  log,
  native,
  processes,
  state,
  UnavailableError,
} from '../sandbeat/index.js';
import { Sandbox } from '../sandbeat/testing.js';

test('what was not put in is not there', async () => {
  const sandbox = new Sandbox({
    files: { '/proc/net/dev': 'x', '/proc/pressure/cpu': undefined, '/proc/text': new Uint8Array([255]) },
    modified: { '/proc/net/dev': 5 },
  });
  await sandbox.run(() => {
    assert.equal(files.readText('/proc/net/dev'), 'x');
    assert.equal(files.readAt('/proc/net/dev', 1, 10).length, 0);
    assert.deepEqual(files.stat('/proc/net/dev'), { kind: 'file', size: 1, modified: 5 });
    assert.equal(files.stat('/proc/net').kind, 'directory');
    assert.deepEqual(files.list('/proc'), [
      { name: 'net', kind: 'directory' },
      { name: 'text', kind: 'file' },
    ]);
    for (const [path, kind, who] of /** @type {const} */ ([
      ['/proc/pressure/cpu', files.NotFound, UnavailableError],
      ['/etc/shadow', files.Denied, DeniedError],
      ['/proc/net', files.WrongType, UnavailableError],
      ['/proc/text', files.NotText, InternalError],
    ])) {
      const error = thrown(() => files.readText(path));
      assert.ok(error instanceof kind && error instanceof who && error.path === path, String(error));
    }
  });
  assert.throws(() => files.read('/proc/net/dev'), /there is no agent to ask/);
});

test('the rest of the sandbox is what was put in', async () => {
  const usage = { size: 10, free: 5, available: 4, inodes: undefined, inodesFree: undefined, readOnly: false };
  const owner = { pid: 7, name: 'sshd' };
  const certificate = new Uint8Array([1]);
  const sandbox = new Sandbox({
    filesystems: { '/data': usage, '/gone': undefined },
    processes: { 1: owner },
    certificates: { 'https://a': certificate },
    native: { hostname: 'h' },
  });
  await sandbox.run(() => {
    assert.deepEqual(filesystems.granted(), ['/data', '/gone']);
    assert.deepEqual(filesystems.stat('/data'), usage);
    assert.throws(() => filesystems.stat('/other'), /add it to `filesystems`/);
    assert.ok(thrown(() => filesystems.stat('/gone')) instanceof files.NotFound);
    assert.deepEqual(processes.socketOwners([1, 2]), [owner, undefined]);
    assert.ok(thrown(() => processes.socketOwners(new Array(4097).fill(1))) instanceof processes.TooMany);
    assert.deepEqual([certificates.shown('https://a'), certificates.shown('https://b')], [certificate, undefined]);
    assert.equal(native.current().hostname, 'h');
  });
  const denied = await new Sandbox().run(() => thrown(() => processes.socketOwners([1])));
  assert.ok(denied instanceof processes.Denied && denied instanceof DeniedError);
});

test('state and log stay after the run', async () => {
  const sandbox = new Sandbox();
  await sandbox.run(() => {
    state.set('last', new Uint8Array([1]));
    state.setJson('count', 3);
    log.info('once');
    assert.ok(thrown(() => state.set('', new Uint8Array())) instanceof state.BadKey);
    assert.match(String(thrown(() => state.set('big', new Uint8Array(limits.current().state)))), /65536 bytes/);
  });
  await sandbox.run(() => {
    assert.deepEqual(state.keys(), ['count', 'last']);
    assert.deepEqual(
      [state.get('last'), state.getNumber('count'), state.getJson('count')],
      [new Uint8Array([1]), 3, 3],
    );
    state.set('count', new Uint8Array([255]));
    assert.deepEqual([state.getNumber('count', 9), state.getJson('count'), state.getNumber('none')], [9, undefined, 0]);
    state.remove('last');
    assert.equal(state.get('last'), undefined);
  });
  assert.deepEqual(sandbox.lines, [{ level: 'info', message: 'once' }]);
});

test('what would end a component is refused at once', async () => {
  await new Sandbox().run(() => {
    assert.throws(() => state.set('a', /** @type {any} */ ('b')), /^TypeError: a value has to be a Uint8Array/);
    assert.throws(() => state.get(/** @type {any} */ (1)), /^TypeError: a key has to be a string, and is 1/);
    assert.throws(() => files.read(/** @type {any} */ (5)), /^TypeError: a path has to be a string, and is 5/);
    assert.throws(() => files.readAt('/x', -1, 1), RangeError);
  });
});

test('a wrong value of the config names its key', async () => {
  const table = { n: 3, f: 1.5, b: true, s: 'eth*', many: ['a', 'b'], http: { timeout: 2 } };
  await new Sandbox({ config: table }).run(() => {
    assert.deepEqual(config.table(), table);
    assert.deepEqual([config.integer('n'), config.number('f'), config.boolean('b')], [3, 1.5, true]);
    assert.deepEqual([config.string('s'), config.integer('http.timeout')], ['eth*', 2]);
    assert.deepEqual([config.strings('s'), config.strings('many')], [['eth*'], ['a', 'b']]);
    assert.deepEqual(
      [config.get('s.x'), config.string('none'), config.string('none', 'd')],
      [undefined, undefined, 'd'],
    );
    for (const [ask, message] of /** @type {const} */ ([
      [() => config.integer('s'), '`s` is "eth*"; it has to be a whole number'],
      [() => config.integer('f'), '`f` is 1.5; it has to be a whole number'],
      [() => config.strings('n'), '`n` is 3; it has to be a string or an array of strings'],
    ])) {
      const error = thrown(ask);
      assert.ok(error instanceof ConfigError && error.message === message, String(error));
    }
  });
});

test('an unknown key of the config is named with the one that was meant', async () => {
  const keys = ['interfaces', 'http.timeout', 'http.host', 'prices'];
  const good = { interfaces: 'eth*', http: { timeout: 5 }, prices: { 'a.b': 1 } };
  await new Sandbox({ config: good }).run(() => config.only(...keys));
  await new Sandbox().run(() => config.only());
  const known = 'known here: interfaces, http.timeout, http.host, prices';
  const long = 'interfaces'.repeat(10);
  for (const [table, message] of /** @type {[Record<string, unknown>, string][]} */ ([
    [{ intefaces: 1 }, `\`intefaces\` is an unknown key; did you mean \`interfaces\`? ${known}`],
    [{ itnerfaces: 1 }, `\`itnerfaces\` is an unknown key; did you mean \`interfaces\`? ${known}`],
    [{ colour: 1 }, `\`colour\` is an unknown key; ${known}`],
    [{ http: { hots: 1 } }, `\`http.hots\` is an unknown key; did you mean \`http.host\`? ${known}`],
    [{ http: { 'host.name': 1 } }, `\`http."host.name"\` is an unknown key; ${known}`],
    [{ '': 1 }, `\`""\` is an unknown key; ${known}`],
    [{ http: 'h' }, '`http` is "h"; it has to be a table'],
    [{ [long]: 1 }, `\`${long}\` is an unknown key; ${known}`],
  ])) {
    const error = await new Sandbox({ config: table }).run(() => thrown(() => config.only(...keys)));
    assert.ok(error instanceof ConfigError && error.message === message, String(error));
  }
  const error = await new Sandbox({ config: { a: 1 } }).run(() => thrown(() => config.only()));
  assert.equal(String(error), 'ConfigError: `a` is an unknown key; this collector has none');
});

/**
 * What it throws.
 * @param {() => unknown} part
 */
function thrown(part) {
  try {
    part();
  } catch (error) {
    return error;
  }
  assert.fail('nothing was thrown');
}
