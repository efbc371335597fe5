// The broker itself: its configuration for a stack, and its start.
import { randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { doorwardProgram } from './files.mjs';
import { request } from './network.mjs';
import { startProgram } from './programs.mjs';

/**
 * Two tenants: `acme` with a host of its own and two apps, `solo` whose login and only app share one host.
 * `trustedProxies` is what the page about the proxy says.
 */
export function configuration({ ports, hosts, issuer, trustedProxies, sessions = {} }) {
  const provider = (tenant, id, name) => `
[[tenants.providers]]
id = "${id}"
preset = "oidc"
name = "${name}"
issuer = "${issuer}"
client_id = "${tenant}-${id}"
client_secret = { env = "PROVIDER_SECRET" }
scopes = ["openid", "profile", "email", "groups"]
groups_claim = "groups"
`;
  return `
[server]
listen = "127.0.0.1:${ports.doorward}"
development = true
shutdown_timeout = "10s"

${trustedProxies}
[operations]
listen = "127.0.0.1:${ports.operations}"

[ext_authz]
listen = "127.0.0.1:${ports.grpc}"

[logging]
format = "json"
level = "info"

[storage]
sqlite = "doorward.db"
sealing_keys = [{ env = "SEALING_KEY" }]

[sessions]
idle = "${sessions.idle ?? '8h'}"
absolute = "${sessions.absolute ?? '7d'}"

[[tenants]]
id = "acme"
name = "Acme"
base_url = "http://${hosts.acme}"
contact = "it@acme.example"
${provider('acme', 'staff', 'Acme staff')}
${provider('acme', 'partners', 'Acme partners')}
[[tenants.apps]]
id = "wiki"
name = "Wiki"
hosts = ["${hosts.wiki}"]
hide_cookies = true

[[tenants.apps.rules]]
paths = ["/public"]
public = true

[[tenants.apps.rules]]
paths = ["/admin"]
groups = ["admins"]

[[tenants.apps.rules]]
methods = ["DELETE"]
groups = ["admins"]

[[tenants.apps.rules]]
signed_in = true

[[tenants.apps]]
id = "board"
name = "Board"
hosts = ["${hosts.board}"]
hide_cookies = true
allow = { email_domains = ["acme.example"] }

[[tenants]]
id = "solo"
name = "Solo"
base_url = "http://${hosts.solo}/oauth2"
${provider('solo', 'staff', 'Solo staff')}
[[tenants.apps]]
id = "notes"
name = "Notes"
hosts = ["${hosts.solo}"]
hide_cookies = true

[[tenants.apps.rules]]
signed_in = true
`;
}

/** What the configuration refers to; made once for a stack, so that a restart can open what it sealed. */
export function secrets(providerSecret) {
  return { SEALING_KEY: randomBytes(32).toString('base64'), PROVIDER_SECRET: providerSecret };
}

export function isBuilt() {
  return existsSync(doorwardProgram);
}

export async function startDoorward(folder, { ports, text, env }) {
  if (!isBuilt()) {
    throw new Error(`there is no ${doorwardProgram}: run \`cargo build\`, or name one in DOORWARD_BIN`);
  }
  const file = path.join(folder, 'doorward.toml');
  writeFileSync(file, text);
  const program = startProgram('doorward', [doorwardProgram, 'serve', '--config', file], {
    log: path.join(folder, 'doorward.log'), env: { ...env, RUST_BACKTRACE: '1' }, cwd: folder,
  });
  await program.ready(async () => (await request({ port: ports.operations, path: '/readyz' })).status === 200);
  return program;
}
