// Caddy with `docs/proxies/Caddyfile`.
import path from 'node:path';

import { caddyProgram } from '../files.mjs';
import { startProgram } from '../programs.mjs';
import { remote } from './identity.mjs';
import { addresses, render, write } from './recipe.mjs';

// What is left to the one who installs Caddy: plain http here, no certificates asked for, nothing outside the folder.
const around = ({ port }) => `{
	admin off
	auto_https off
	persist_config off
	default_bind 127.0.0.1
}

# A host that is nobody's: without it, Caddy would answer an empty 200.
http://:${port} {
	respond 421
}

`;

export const caddy = {
  name: 'Caddy',
  page: 'caddy.md',
  identity: remote,
  start(folder, settings) {
    const recipe = render('Caddyfile', [
      [/^(?=(?:login|wiki|board)\.example\.com \{$)/gmu, 'http://'],
      [/(?<=^http:\S+)(?= \{$)/gmu, `:${settings.port}`],
      ...addresses(settings),
    ]);
    const file = write(folder, 'caddy', 'Caddyfile', around(settings) + recipe);
    return startProgram('caddy', [caddyProgram, 'run', '--adapter', 'caddyfile', '--config', file], {
      log: path.join(folder, 'caddy.log'), cwd: path.dirname(file),
      env: { HOME: path.dirname(file), XDG_DATA_HOME: path.dirname(file), XDG_CONFIG_HOME: path.dirname(file) },
    });
  },
};
