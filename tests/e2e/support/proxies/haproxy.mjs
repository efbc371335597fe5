// HAProxy with `docs/proxies/haproxy.cfg` and `docs/proxies/haproxy.lua`.
import path from 'node:path';

import { haproxyProgram } from '../files.mjs';
import { startProgram } from '../programs.mjs';
import { remote } from './identity.mjs';
import { addresses, read, render, write } from './recipe.mjs';

function start(folder, settings, scriptText) {
  const script = write(folder, 'haproxy', 'doorward.lua', scriptText);
  const main = write(folder, 'haproxy', 'haproxy.cfg', render('haproxy.cfg', [
    ['/etc/haproxy/doorward.lua', script],
    [/bind :443 .*/gu, `bind 127.0.0.1:${settings.port}`],
    ...addresses(settings),
  ]));
  return startProgram('haproxy', [haproxyProgram, '-W', '-db', '-f', main], {
    log: path.join(folder, 'haproxy.log'), cwd: path.dirname(main),
  });
}

export const haproxy = {
  name: 'HAProxy',
  page: 'haproxy.md',
  identity: remote,
  start: (folder, settings) => start(folder, settings, read('haproxy.lua')),
  fault: 503,
  // HAProxy goes on with a request when a script fails.
  startWithFault: (folder, settings) => start(folder, settings, render('haproxy.lua', [
    ['    local headers = copied(', '    error("a fault")\n    local headers = copied('],
  ])),
};
