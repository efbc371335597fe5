// HAProxy with `docs/proxies/haproxy.cfg` and `docs/proxies/haproxy.lua`.
import path from 'node:path';

import { haproxyProgram } from '../files.mjs';
import { startProgram } from '../programs.mjs';
import { remote } from './identity.mjs';
import { addresses, read, render, write } from './recipe.mjs';

export const haproxy = {
  name: 'HAProxy',
  page: 'haproxy.md',
  identity: remote,
  start(folder, settings) {
    const script = write(folder, 'haproxy', 'doorward.lua', read('haproxy.lua'));
    const main = write(folder, 'haproxy', 'haproxy.cfg', render('haproxy.cfg', [
      ['/etc/haproxy/doorward.lua', script],
      [/bind :443 .*/gu, `bind 127.0.0.1:${settings.port}`],
      ...addresses(settings),
    ]));
    return startProgram('haproxy', [haproxyProgram, '-W', '-db', '-f', main], {
      log: path.join(folder, 'haproxy.log'), cwd: path.dirname(main),
    });
  },
};
