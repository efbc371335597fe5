// nginx, configured by the very file that the documentation gives away.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { nginxProgram, repository } from './files.mjs';
import { request } from './network.mjs';
import { startProgram } from './programs.mjs';

const recipes = path.join(repository, 'docs/proxies');

/** Replaces what must be there: a recipe that changed its words fails here, not somewhere else later. */
function replace(text, from, to) {
  if (!text.includes(from)) {
    throw new Error(`the recipe in docs/proxies no longer has: ${from}`);
  }
  return text.replaceAll(from, to);
}

/** The recipe's part for an app with the block in it that nginx.md has for those that say what they are. */
function withResource(app) {
  const page = readFileSync(path.join(recipes, 'nginx.md'), 'utf8');
  const [, block] = /^```nginx\n(location \^~ \/\.well-known\/oauth-protected-resource \{\n[^`]*)```$/mu.exec(page) ?? [];
  if (!block) {
    throw new Error('docs/proxies/nginx.md no longer has the block for apps that say what they are');
  }
  return app.replace(/\}\s*$/u, `${block}}\n`);
}

/**
 * The recipe with the names and ports of a test in it, and without TLS. `apps` are `{ host, port }`: the block that
 * the recipe says to repeat is repeated for each. Host names are without their port. `recipe` is the file. `tokens`: apps
 * say what they are, with the block for that in nginx.md.
 */
export function render({ port, doorward, tenants, apps, recipe = 'nginx.conf', tokens = false }) {
  const parts = readFileSync(path.join(recipes, recipe), 'utf8').split(/^(?=# The tenant's own host|# A protected app)/mu);
  if (parts.length !== 3) {
    throw new Error('the recipe in docs/proxies no longer has its three parts: http, tenant, app');
  }
  const [shared, tenant, app] = parts;
  const plain = (text, name) => replace(text, 'listen 443 ssl;', `listen 127.0.0.1:${port};`)
    .replace(/^ *ssl_certificate.*\n/gmu, '')
    .replaceAll(name, '');
  const whole = tokens ? withResource(app) : app;
  return [
    replace(shared, 'server 127.0.0.1:4180;', `server 127.0.0.1:${doorward};`),
    ...tenants.map((host) => plain(replace(tenant, 'server_name login.example.com;', `server_name ${host};`), 'login.example.com')),
    ...apps.map(({ host, port: backend }) => plain(
      replace(replace(whole, 'server_name wiki.example.com;', `server_name ${host};`), 'http://127.0.0.1:8080', `http://127.0.0.1:${backend}`),
      'wiki.example.com',
    )),
    // A host that is nobody's: without it, nginx would answer for it with the first server there is.
    `server { listen 127.0.0.1:${port} default_server; return 421; }\n`,
  ].join('\n');
}

/** Writes the recipe and what nginx needs around it into `folder`. Answers the path of the main file. */
export function writeConfiguration(folder, settings) {
  for (const name of ['client', 'proxy', 'fastcgi', 'uwsgi', 'scgi']) {
    mkdirSync(path.join(folder, 'nginx', name), { recursive: true });
  }
  writeFileSync(path.join(folder, 'nginx/doorward.conf'), render(settings));
  const main = path.join(folder, 'nginx/nginx.conf');
  writeFileSync(main, `
${process.getuid() === 0 ? 'user root;' : ''}
daemon off;
worker_processes 1;
error_log stderr notice;
pid nginx.pid;
events { worker_connections 512; }
http {
    access_log access.log;
    client_body_temp_path client;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include doorward.conf;
}
`);
  return main;
}

function commandLine(folder, main) {
  return [nginxProgram, '-p', path.join(folder, 'nginx/'), '-e', 'stderr', '-c', main];
}

/** What `nginx -t` says about the recipe. */
export function testConfiguration(folder, settings) {
  const [program, ...rest] = commandLine(folder, writeConfiguration(folder, settings));
  const { status, stderr } = spawnSync(program, [...rest, '-t'], { encoding: 'utf8' });
  return { ok: status === 0, stderr };
}

export async function startNginx(folder, settings) {
  const main = writeConfiguration(folder, settings);
  const program = startProgram('nginx', commandLine(folder, main), { log: path.join(folder, 'nginx.log') });
  await program.ready(async () => (await request({ port: settings.port, host: 'nobody.localhost' })).status === 421);
  return program;
}
