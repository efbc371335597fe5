// The Auth0 simulator of the npm package `@simulacrum/auth0-simulator`, a process of its own: it wants its certificate
// in the home folder.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

import { startProgram } from './programs.mjs';
import { hiddenFields } from './visitor.mjs';

export const auth0Password = 'correct horse battery staple';

/** An authority and a certificate of it for `localhost`, in the folder where the simulator looks. Answers the authority's file. */
function makeCertificates(home) {
  const folder = path.join(home, '.simulacrum/certs');
  mkdirSync(folder, { recursive: true });
  const openssl = (...options) => {
    const { status, stderr, error } = spawnSync('openssl', options, { cwd: folder, encoding: 'utf8' });
    if (status !== 0) {
      throw new Error(`openssl ${options[0]} failed, it is Debian's package of that name: ${error ?? stderr}`);
    }
  };
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-x509', ...key, '-keyout', 'authority-key.pem', '-out', 'authority.pem', '-days', '2', '-subj', '/CN=Authority of the tests',
    '-addext', 'keyUsage=critical,keyCertSign');
  openssl('req', ...key, '-keyout', 'localhost-key.pem', '-out', 'localhost.csr', '-subj', '/CN=localhost');
  writeFileSync(path.join(folder, 'extensions'), 'subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n');
  openssl('x509', '-req', '-in', 'localhost.csr', '-CA', 'authority.pem', '-CAkey', 'authority-key.pem', '-CAcreateserial', '-days', '2',
    '-extfile', 'extensions', '-out', 'localhost.pem');
  return path.join(folder, 'authority.pem');
}

/** Starts it at `https://localhost:{port}` with `users`, `{ id, name, email }`. */
export async function startAuth0(folder, port, users) {
  const authority = makeCertificates(folder);
  // As CommonJS, which is how its own program starts it; as a module it cannot sign.
  const script = `
    const { simulation } = require(${JSON.stringify(createRequire(import.meta.url).resolve('@simulacrum/auth0-simulator'))});
    const options = { scope: 'openid profile email' };
    const initialState = { users: ${JSON.stringify(users.map((user) => ({ ...user, password: auth0Password, picture: 'https://img.example/a.png' })))} };
    simulation({ options, initialState }).listen(${port}, '127.0.0.1', () => console.log('listening'));
  `;
  const program = startProgram('auth0-simulator', [process.execPath, '--eval', script], {
    log: path.join(folder, 'auth0.log'), cwd: folder, env: { HOME: folder },
  });
  await program.ready(async () => program.output().includes('listening'));
  return Object.assign(program, { host: `localhost:${port}`, url: `https://localhost:${port}`, authorityFile: authority, authority: readFileSync(authority, 'utf8') });
}

/**
 * Signs in on the login page of the simulator that `visitor` stands on, with what that page's script would send.
 * `changed` is what somebody changes in it.
 */
export async function signInAtAuth0(visitor, page, email, { password = auth0Password, ...changed } = {}) {
  const asked = Object.fromEntries(page.url.searchParams);
  const answer = await visitor.send(new URL('/usernamepassword/login', page.url), {
    ...asked, client_id: asked.client, username: email, password, ...changed,
  });
  return answer.status === 200 ? visitor.send(new URL('/login/callback', page.url), hiddenFields(answer.text)) : answer;
}
