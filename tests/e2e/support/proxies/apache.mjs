// Apache with `docs/proxies/apache.conf` and `docs/proxies/apache.lua`.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { apacheProgram } from '../files.mjs';
import { startProgram } from '../programs.mjs';
import { remote } from './identity.mjs';
import { addresses, render, write } from './recipe.mjs';

// What Debian's own files say around a site, as far as this one needs it: `a2enmod` is a line of `LoadModule`.
const around = (folder, { port }, site) => `
ServerRoot "${folder}"
ServerName localhost
PidFile "${folder}/apache.pid"
ErrorLog "/dev/stderr"
LogLevel warn
${process.getuid() === 0 ? 'User www-data\nGroup www-data' : ''}
Listen 127.0.0.1:${port}
${['mpm_event', 'authz_core', 'headers', 'lua', 'proxy', 'proxy_http', 'rewrite']
    .map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join('\n')}
<Directory />
    Require all denied
</Directory>
Include "${site}"
`;

export const apache = {
  name: 'Apache',
  page: 'apache.md',
  identity: remote,
  start(folder, settings) {
    // Started by root, Apache answers as somebody who may not look into the folder of the test.
    const readable = mkdtempSync(path.join(tmpdir(), 'doorward-apache-'));
    chmodSync(readable, 0o755);
    const script = path.join(readable, 'doorward.lua');
    writeFileSync(script, render('apache.lua', [['127.0.0.1:4180', `127.0.0.1:${settings.doorward}`]]));
    const site = write(folder, 'apache', 'doorward.conf', render('apache.conf', [
      ['/etc/apache2/doorward.lua', script],
      ['*:443', `127.0.0.1:${settings.port}`],
      [/^ *SSL.*\n/gmu, ''],
      ...addresses(settings),
    ]));
    const main = write(folder, 'apache', 'apache.conf', around(path.dirname(site), settings, site));
    const program = startProgram('apache', [apacheProgram, '-D', 'FOREGROUND', '-f', main], {
      log: path.join(folder, 'apache.log'), cwd: path.dirname(main),
    });
    program.ended.then(() => rmSync(readable, { recursive: true }));
    return program;
  },
};
