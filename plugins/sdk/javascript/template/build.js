/** Builds {{name}}.wasm out of collector.js and what it imports: `npm run build`. */

import { writeFile } from 'node:fs/promises';
import process from 'node:process';

import { componentize } from '@bytecodealliance/componentize-js';

import collector from './collector.js';

const COMPONENT = '{{name}}.wasm';

process.chdir(import.meta.dirname);
try {
  const { component } = await componentize({
    sourcePath: 'sandbeat/component.js',
    witPath: 'wit',
    worldName: 'collector',
    disableFeatures: collector.fetch ? ['fetch-event'] : ['fetch-event', 'http'],
  });
  await writeFile(COMPONENT, component);
  console.log(`${COMPONENT}: ${(component.length / 1e6).toFixed(1)} MB`);
} catch (error) {
  console.error(`${COMPONENT} was not built: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}
