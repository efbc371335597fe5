// Callers that bring tokens: an app behind nginx that takes them, tokens that are not what they say, and an API in Rust.
import { generateKeyPairSync, sign } from 'node:crypto';
import path from 'node:path';

import { startApp } from './apps.mjs';
import { axumExample } from './files.mjs';
import { request } from './network.mjs';
import { startNginx } from './nginx.mjs';
import { startProgram } from './programs.mjs';
import { trustedProxies } from './proxies/recipe.mjs';
import { siteSuite } from './site.mjs';

const decoded = (part) => JSON.parse(Buffer.from(part, 'base64url'));
const encoded = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

export const claimsOf = (token) => decoded(token.split('.')[1]);

/** The token with other claims under its old signature. */
export function altered(token, claims) {
  const [header, payload, signature] = token.split('.');
  return [header, encoded({ ...decoded(payload), ...claims }), signature].join('.');
}

const strangers = {
  RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
};

/** The same token, letter by letter, signed by somebody else under the name of the issuer's key. */
export function resigned(token) {
  const [header, payload] = token.split('.');
  const key = strangers[decoded(header).alg];
  const signature = sign('sha256', Buffer.from(`${header}.${payload}`), { key, dsaEncoding: 'ieee-p1363' });
  return [header, payload, signature.toString('base64url')].join('.');
}

/**
 * A site (`siteSuite`) with an app `orders` behind nginx, which takes bearers or a session; the broker itself forwards to
 * `wiki`. `startIssuers` gets what a site's providers get, and answers `{ trusted, orders, wiki, secrets, … }`: the tenant's
 * trusted issuers, and what is to stand in the tables of the two apps, as TOML. Answers `site()`, and
 * `ask(token, { path, headers })` for one request to `orders` through nginx.
 */
export function bearerSuite(name, startIssuers) {
  const { site } = siteSuite(name, async (given) => {
    const [proxyPort, backendPort] = [await given.port(), await given.port()];
    const backend = await given.starting(startApp('orders', backendPort));
    const issuers = await startIssuers(given);
    await given.starting(startNginx(given.folder, {
      port: proxyPort, doorward: Number(new URL(given.base).port), tenants: [], tokens: true,
      apps: [{ host: 'orders.localhost', port: backendPort }],
    }));
    return {
      ...issuers, backend, proxyPort,
      server: trustedProxies('nginx.md'),
      // People could sign in here if anybody were there. Nobody is, and whoever brings a token does not mind.
      providers: `
[[tenants.providers]]
id = "nobody"
preset = "oidc"
issuer = "http://127.0.0.1:${await given.port()}"
client_id = "doorward"
${issuers.trusted}`,
      rules: `
accept = ["bearer", "session"]
${issuers.wiki}

[[tenants.apps]]
id = "orders"
name = "Orders"
hosts = ["orders.localhost:${proxyPort}"]
hide_cookies = true
accept = ["bearer", "session"]
${issuers.orders}
`,
    };
  }, { chromium: false });

  const ask = async (token, { headers = {}, ...options } = {}) => {
    const { proxyPort, backend } = site();
    const before = backend.requests.length;
    const answer = await request({
      port: proxyPort, host: `orders.localhost:${proxyPort}`, path: '/list', ...options,
      headers: token === undefined ? headers : { ...headers, authorization: `Bearer ${token}` },
    });
    // Whatever the answer says: whether the app saw the request is what counts.
    return { ...answer, reached: backend.requests.length > before, seen: answer.status === 200 ? answer.json().headers : undefined };
  };
  return { site, ask };
}

/** `examples/axum-api`, as somebody starts it; `ask(path, token)` asks it. */
export async function startAxumApi(folder, name, words) {
  const program = startProgram(name, [axumExample, ...words], { log: path.join(folder, `${name}.log`) });
  const address = () => /^curl -i http:\/\/127\.0\.0\.1:(\d+)\/prices$/mu.exec(program.output());
  await program.ready(async () => address() !== null);
  const port = Number(address()[1]);
  return Object.assign(program, {
    ask: (target, token) => request({ port, path: target, headers: token === undefined ? {} : { authorization: `Bearer ${token}` } }),
  });
}
