/** The length of a job queue, as a file says it: one whole number. */

import {
  collector,
  config,
  Counter,
  files,
  Gauge,
  Histogram,
  InternalError,
  Key,
  log,
  Metadata,
  state,
} from './sandbeat/index.js';

export const NAME = new Key('{{ident}}.name', "The queue's name, as configured.");
export const LENGTH = new Gauge('{{ident}}.length', '{job}', 'Jobs that wait in the queue.', { keys: [NAME] });
export const OBSERVATIONS = new Counter(
  '{{ident}}.observations',
  '{observation}',
  'How often the queue was looked at.',
  { keys: [NAME] },
);
export const DISTRIBUTION = new Histogram(
  '{{ident}}.length.distribution',
  '{job}',
  'How long the queue was when it was looked at.',
  { bounds: [0, 10, 100, 1000], keys: [NAME] },
);
export const PATH = new Metadata('{{ident}}.path', 'The file that says it.');

export default collector({
  version: '0.1.0',
  summary: 'The length of a job queue, as a file says it.',
  reports: [LENGTH, OBSERVATIONS, DISTRIBUTION, PATH],

  collect() {
    config.only('path', 'name');
    const path = configuredPath();
    const name = NAME.is(configuredName());
    const length = readLength(path);
    log.debug(`read ${length} from ${path}`);
    sayOnceThatItIsEmpty(length);
    const observations = state.getNumber('observations') + 1;
    state.setJson('observations', observations);
    const distribution = DISTRIBUTION.restore(state.get('distribution'));
    distribution.record(length);
    state.set('distribution', distribution.toBytes());
    return [
      LENGTH.value(length, name),
      OBSERVATIONS.value(observations, name),
      DISTRIBUTION.value(distribution, name),
      PATH.value(path),
    ];
  },
});

function configuredPath() {
  const path = config.string('path', '/run/{{name}}/length');
  if (!path.startsWith('/')) throw config.wrong('path', 'an absolute path');
  return path;
}

function configuredName() {
  const name = config.string('name', 'default');
  const bytes = new TextEncoder().encode(name).length;
  if (bytes === 0 || bytes > 256) throw config.wrong('name', 'a name of 1 to 256 bytes');
  return name;
}

/** @param {string} path */
function readLength(path) {
  const text = files.readText(path).trim();
  if (!/^\d+$/.test(text)) {
    const start = JSON.stringify(text.slice(0, 40));
    throw new InternalError(`\`${path}\` has to contain one whole number, and contains ${start}`);
  }
  return Number(text);
}

/** @param {number} length */
function sayOnceThatItIsEmpty(length) {
  if (length > 0) {
    state.remove('empty');
  } else if (state.get('empty') === undefined) {
    state.setJson('empty', true);
    log.info('the queue is empty');
  }
}
