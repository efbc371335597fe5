// Presets for emulators: the shipped file, with nothing changed but what an emulator cannot be told.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { repository } from './files.mjs';

/**
 * Writes the shipped preset `name` into `folder` under the name `as`, with each `[from, to]` of `replacements` replaced.
 * What is replaced must be there: a preset that changed fails here, not somewhere else later.
 */
export function derivePreset(folder, name, as, replacements) {
  let text = readFileSync(path.join(repository, 'providers', `${name}.toml`), 'utf8');
  for (const [from, to] of replacements) {
    const changed = typeof from === 'string' ? text.replaceAll(from, to) : text.replace(from, to);
    if (changed === text) {
      throw new Error(`providers/${name}.toml no longer has: ${from}`);
    }
    text = changed;
  }
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, `${as}.toml`), text);
}
