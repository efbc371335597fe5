// Traefik with `docs/proxies/traefik.yml` and, for routers and middlewares, `docs/proxies/traefik-doorward.yml`.
import path from 'node:path';

import { traefikProgram } from '../files.mjs';
import { startProgram } from '../programs.mjs';
import { remote } from './identity.mjs';
import { addresses, render, write } from './recipe.mjs';

export const traefik = {
  name: 'Traefik',
  page: 'traefik.md',
  identity: remote,
  start(folder, settings) {
    const dynamic = write(folder, 'traefik', 'doorward.yml', render('traefik-doorward.yml', addresses(settings)));
    const main = write(folder, 'traefik', 'traefik.yml', render('traefik.yml', [
      ['":443"', `"127.0.0.1:${settings.port}"`],
      [/^ *tls: .*\n/gmu, ''],
      ['/etc/traefik/doorward.yml', dynamic],
    ]));
    return startProgram('traefik', [traefikProgram, `--configFile=${main}`], {
      log: path.join(folder, 'traefik.log'), cwd: path.dirname(main),
    });
  },
};
