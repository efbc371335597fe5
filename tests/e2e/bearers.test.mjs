// Tokens that others made, through nginx: one app takes those of Google, Entra and Cognito, as emulators have them, of an
// issuer whose keys turn, and of the tenant itself. What each of them says is verified; nothing is asked of the internet.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';

import {
  altered, bearerSuite, claimsOf, emulatedTokens, eventually, resigned, robot, startAxumApi, startEmulator, startMachineIssuer, startMoto,
} from './support.mjs';

const directory = '11111111-2222-4333-8444-555555555555';
const foreignDirectory = '66666666-7777-4888-9999-000000000000';
const audience = 'https://orders.acme.example';
const shortLived = 'https://orders.acme.example/short';
const foreignAudience = 'https://billing.acme.example';
const secret = 'not-a-secret-outside-these-tests';
const client = (id) => ({ client_id: id, client_secret: secret, name: 'Orders', redirect_uris: ['http://127.0.0.1/callback'] });

const { site, ask } = bearerSuite('bearers', async ({ folder, base, starting, port }) => {
  // Both call themselves what the services call themselves; only the keys are elsewhere.
  const google = await starting(startEmulator('google', await port(), {
    users: [{ email: 'alice@acme.example', name: 'Alice Archer' }, { email: 'eve@elsewhere.example', name: 'Eve Elsewhere' }],
    oauth_clients: [client('orders-at-google'), client('games-at-google')],
  }, 'https://accounts.google.com'));
  const entra = await starting(startEmulator('microsoft', await port(), {
    users: [
      { email: 'alice@acme.example', name: 'Alice Archer', tenant_id: directory },
      { email: 'eve@elsewhere.example', name: 'Eve Elsewhere', tenant_id: foreignDirectory },
    ],
    oauth_clients: [client('orders-at-entra'), client('games-at-entra')],
  }, 'https://login.microsoftonline.com'));
  const moto = await starting(startMoto(folder, await port()));
  const pool = await moto.createPool('people');
  const otherPool = await moto.createPool('others');
  const clients = { orders: await moto.createClient(pool, 'orders'), games: await moto.createClient(pool, 'games') };
  const machines = await starting(startMachineIssuer(await port(), { [shortLived]: 3 }));
  // Of its own: whoever forges a token of an issuer has its keys looked for again, and that is not done twice within 30 s.
  const turning = await starting(startMachineIssuer(await port()));

  const nightlySecret = randomBytes(32).toString('base64');
  return {
    google, entra, moto, pool, otherPool, clients, machines, turning, nightlySecret,
    secrets: { NIGHTLY_SECRET: nightlySecret },
    trusted: `
[[tenants.trusted_issuers]]
id = "google"
profile = "google"
jwks_uri = "${google.url}/oauth2/v3/certs"
hosted_domains = ["acme.example"]
audiences = ["orders-at-google"]

[[tenants.trusted_issuers]]
id = "entra-id-tokens"
profile = "oidc_id_token"
issuer = "https://login.microsoftonline.com/${directory}/v2.0"
jwks_uri = "${entra.url}/discovery/v2.0/keys"
audiences = ["orders-at-entra"]

[[tenants.trusted_issuers]]
id = "entra"
profile = "entra"
allowed_tenants = ["${directory}"]
jwks_uri = "${entra.url}/discovery/v2.0/keys"
audiences = ["orders-at-entra"]

[[tenants.trusted_issuers]]
id = "cognito"
profile = "cognito"
region = "us-east-1"
user_pool_id = "${pool.id}"
jwks_uri = "${pool.keys}"
clients = ["${clients.orders}"]

[[tenants.trusted_issuers]]
id = "machines"
profile = "rfc9068"
issuer = "${machines.issuer}"
audiences = ["${audience}", "${shortLived}"]
skew = "0s"

[[tenants.trusted_issuers]]
id = "turning"
profile = "rfc9068"
issuer = "${turning.issuer}"
audiences = ["${audience}"]

[[tenants.trusted_issuers]]
id = "own"
profile = "rfc9068"
issuer = "${base}"
jwks_uri = "${base}/jwks.json"
algorithm = "ES256"
audiences = ["${audience}"]

[[tenants.machine_clients]]
id = "nightly"
secrets = [{ env = "NIGHTLY_SECRET" }]
audiences = ["${audience}", "${foreignAudience}"]
scopes = ["orders:read"]
`,
    // The app that the broker forwards to takes access tokens only.
    wiki: `
issuers = ["entra", "machines"]
allow = { signed_in = true }
protected_resource = { scopes = ["pages:read"] }
`,
    orders: `
issuers = ["google", "entra-id-tokens", "cognito", "machines", "turning", "own"]
protected_resource = { scopes = ["orders:read"] }

[[tenants.apps.rules]]
paths = ["/admin"]
groups = ["admins"]

[[tenants.apps.rules]]
signed_in = true
`,
  };
});

/** That the app saw the request; answers what it was told of the caller. */
async function passes(token, options) {
  const { status, reached, seen } = await ask(token, options);
  assert.equal(status, 200);
  assert.ok(reached);
  assert.match(seen['x-auth-request-user'], /^[0-9a-f]{32}$/u);
  return seen;
}

/** That nobody passes, and that the answer calls the token bad. */
async function isRefused(token, options) {
  const { status, reached, headers } = await ask(token, options);
  assert.equal(status, 401);
  // nginx hands on what the check said, besides what the way to the sign-in page says.
  const error = token === undefined ? '' : ', error="invalid_token"';
  assert.ok(headers['www-authenticate'].startsWith(`Bearer realm="acme"${error}, Cookie `), headers['www-authenticate']);
  assert.equal(reached, false);
}


/** The same at the app that the broker forwards to. */
async function askWiki(token) {
  const before = site().app.requests.length;
  const { status } = await site().request('wiki', { headers: { authorization: `Bearer ${token}` } });
  return { status, reached: site().app.requests.length > before };
}

const googleTokens = (email, id) => emulatedTokens(site().google, {
  page: '/o/oauth2/v2/auth/callback', token: '/oauth2/token', client: client(id), email,
});
const entraTokens = (email, id) => emulatedTokens(site().entra, {
  page: '/oauth2/v2.0/authorize/callback', token: '/oauth2/v2.0/token', client: client(id), email,
});

/** How the machine says who it is (RFC 6749 §2.3.1). */
const nightly = () => `Basic ${Buffer.from(`nightly:${encodeURIComponent(site().nightlySecret)}`).toString('base64')}`;

async function nightlyToken(resource) {
  const asked = await fetch(`${site().base}/token`, {
    method: 'POST', headers: { authorization: nightly() },
    body: new URLSearchParams({ grant_type: 'client_credentials', resource }),
  });
  assert.equal(asked.status, 200, await asked.clone().text());
  return (await asked.json()).access_token;
}

test('without a token, or with what is none, the app is not reached', async () => {
  await isRefused(undefined);
  await isRefused('opaque');
  await isRefused('a.b.c');
});

test("Google's ID tokens pass, of the people of one organization and for one client", async () => {
  const { id_token: token } = await googleTokens('alice@acme.example', 'orders-at-google');
  assert.equal(claimsOf(token).iss, 'https://accounts.google.com');
  const seen = await passes(token);
  assert.equal(seen['x-auth-request-email'], 'alice@acme.example');

  const { id_token: elsewhere } = await googleTokens('eve@elsewhere.example', 'orders-at-google');
  assert.equal(claimsOf(elsewhere).hd, 'elsewhere.example');
  await isRefused(elsewhere);
  const { id_token: games } = await googleTokens('alice@acme.example', 'games-at-google');
  await isRefused(games);
  await isRefused(altered(elsewhere, { hd: 'acme.example' }));
  await isRefused(resigned((await googleTokens('alice@acme.example', 'orders-at-google')).id_token));
});

test("Entra's ID tokens pass where ID tokens are meant, and nowhere else", async () => {
  const { id_token: token, access_token: opaque } = await entraTokens('alice@acme.example', 'orders-at-entra');
  const seen = await passes(token);
  assert.equal(seen['x-auth-request-email'], undefined);

  await isRefused((await entraTokens('eve@elsewhere.example', 'orders-at-entra')).id_token);
  await isRefused((await entraTokens('alice@acme.example', 'games-at-entra')).id_token);
  await isRefused(resigned(token));
  await isRefused(opaque);
  // The profile for access tokens, at the app that is forwarded to: same issuer, audience and key.
  assert.deepEqual(await askWiki(token), { status: 401, reached: false });
});

test("p13_5 Cognito's access tokens pass for one app client, and its ID tokens do not", async () => {
  const { moto, pool, otherPool, clients } = site();
  const { AccessToken: token, IdToken: identity } = await moto.tokens(pool, clients.orders);
  const seen = await passes(token, { path: '/admin' });
  assert.equal(seen['x-auth-request-groups'], 'admins');

  await isRefused(identity);
  const { AccessToken: games } = await moto.tokens(pool, clients.games);
  await isRefused(games);
  await isRefused(altered(games, { client_id: clients.orders }));
  await isRefused(resigned(token));
  // moto signs for all pools with one key.
  await isRefused((await moto.tokens(otherPool, await moto.createClient(otherPool, 'orders'))).AccessToken);
});

test('p13_5 an API in Rust takes the same access tokens of Cognito, and refuses the same others', async (context) => {
  const { moto, pool, otherPool, clients, folder } = site();
  const api = await startAxumApi(folder, 'axum-api-cognito', [pool.issuer, clients.orders, pool.keys]);
  context.after(() => api.stop());
  const { AccessToken: token, IdToken: identity } = await moto.tokens(pool, clients.orders);
  const known = await api.ask('/prices', token);
  assert.equal(known.status, 200);
  assert.equal(known.text, `apples: 1, for you, ${claimsOf(token).sub}`);
  // The one scope that moto knows is not the one that this address asks for.
  const scope = await api.ask('/orders', token);
  assert.equal(scope.status, 403);
  assert.match(scope.headers['www-authenticate'], /error="insufficient_scope"/u);

  const { AccessToken: games } = await moto.tokens(pool, clients.games);
  const others = (await moto.tokens(otherPool, await moto.createClient(otherPool, 'orders'))).AccessToken;
  for (const [what, refused] of Object.entries({
    identity, games, others, altered: altered(games, { client_id: clients.orders }), resigned: resigned(token),
  })) {
    assert.equal((await api.ask('/prices', refused)).status, 401, what);
  }
});

test('an API in Rust takes the same ID tokens of Google and Entra, and refuses the same others', async (context) => {
  const { google, entra, folder } = site();
  const issuers = {
    google: {
      words: ['https://accounts.google.com', 'orders-at-google', `${google.url}/oauth2/v3/certs`],
      good: (await googleTokens('alice@acme.example', 'orders-at-google')).id_token,
      foreign: (await googleTokens('alice@acme.example', 'games-at-google')).id_token,
    },
    entra: {
      words: [`https://login.microsoftonline.com/${directory}/v2.0`, 'orders-at-entra', `${entra.url}/discovery/v2.0/keys`],
      good: (await entraTokens('alice@acme.example', 'orders-at-entra')).id_token,
      foreign: (await entraTokens('alice@acme.example', 'games-at-entra')).id_token,
    },
  };
  for (const [name, { words, good, foreign }] of Object.entries(issuers)) {
    const api = await startAxumApi(folder, `axum-api-${name}`, ['--id-tokens', ...words]);
    context.after(() => api.stop());
    const known = await api.ask('/prices', good);
    assert.equal(known.status, 200, name);
    assert.equal(known.text, `apples: 1, for you, ${claimsOf(good).sub}`);
    for (const [what, refused] of Object.entries({
      foreign, altered: altered(good, { sub: 'root' }), resigned: resigned(good),
    })) {
      assert.equal((await api.ask('/prices', refused)).status, 401, `${name}: ${what}`);
    }
  }
});

test("an issuer's tokens pass for the app that they are for, until they expire", async () => {
  const { machines } = site();
  const token = await machines.token(audience);
  assert.equal(claimsOf(token).aud, audience);
  await passes(token);
  assert.deepEqual(await askWiki(token), { status: 200, reached: true });
  await isRefused(await machines.token(foreignAudience));
  await isRefused(altered(await machines.token(foreignAudience), { aud: audience }));
  await isRefused(resigned(token));
  assert.deepEqual(await askWiki(resigned(token)), { status: 401, reached: false });
  // Groups that nobody states are no groups.
  assert.equal((await ask(token, { path: '/admin' })).status, 403);

  const short = await machines.token(shortLived);
  await passes(short);
  await eventually('the token expires', async () => (await ask(short)).status === 401, 10_000);
  assert.ok(Date.now() / 1000 >= claimsOf(short).exp, 'not before its time');
});

test('t05 after the keys have turned, new tokens pass with one fetch, and what the old key signed is refused', async (context) => {
  const { turning, folder } = site();
  const api = await startAxumApi(folder, 'axum-api', [turning.issuer, audience]);
  context.after(() => api.stop());
  const [remembered, unseen] = [await turning.token(audience), await turning.token(audience)];
  await passes(remembered);
  const orders = await api.ask('/orders', remembered);
  assert.equal(orders.status, 200);
  assert.equal(orders.json().of, robot.id);

  turning.rotate();
  const before = turning.keyFetches();
  const fresh = await turning.token(audience);
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask(fresh)));
  assert.deepEqual(answers.map(({ status }) => status), Array(20).fill(200));
  assert.equal(turning.keyFetches(), before + 1);
  await isRefused(unseen);
  // What this app accepted a moment ago it knows for five minutes more.
  await passes(remembered);
  assert.equal(turning.keyFetches(), before + 1, 'a key that is gone is not looked for again at once');

  const inRust = await Promise.all(Array.from({ length: 20 }, () => api.ask('/orders', fresh)));
  assert.deepEqual(inRust.map(({ status }) => status), Array(20).fill(200));
  assert.equal(turning.keyFetches(), before + 2);
  assert.equal((await api.ask('/orders', unseen)).status, 401);
  assert.equal((await api.ask('/orders', resigned(fresh))).status, 401);
  assert.equal((await api.ask('/orders', await turning.token(foreignAudience))).status, 401);
  assert.equal(turning.keyFetches(), before + 2);
});

test("the tenant's own tokens pass until they are revoked, and then no more within five seconds", async () => {
  const token = await nightlyToken(audience);
  const other = await nightlyToken(audience);
  assert.equal(claimsOf(token).iss, site().base);
  await passes(token);
  await passes(other);
  await isRefused(await nightlyToken(foreignAudience));
  await isRefused(resigned(await nightlyToken(audience)));

  const { status, stderr } = await site().command('tokens', 'revoke', 'acme', '--issuer', 'own', '--jti', claimsOf(token).jti);
  assert.equal(status, 0, stderr);
  await eventually('the token is refused', async () => (await ask(token)).status === 401, 5000);
  await isRefused(token);
  await passes(other);

  // A machine can say the same of what it was given (RFC 7009).
  const revoked = await fetch(`${site().base}/revoke`, {
    method: 'POST', headers: { authorization: nightly() }, body: new URLSearchParams({ token: other }),
  });
  assert.equal(revoked.status, 200);
  await eventually('that token is refused, too', async () => (await ask(other)).status === 401, 5000);
  await passes(await nightlyToken(audience));
});

test('an app says where its tokens come from, through nginx and where the broker forwards', async () => {
  const { proxyPort, urls, base } = site();
  const address = '/.well-known/oauth-protected-resource';
  const proxied = await ask(undefined, { path: address });
  assert.equal(proxied.status, 200);
  assert.equal(proxied.reached, false);
  const said = proxied.json();
  assert.equal(said.resource, `http://orders.localhost:${proxyPort}`);
  assert.deepEqual(said.authorization_servers, [base]);
  assert.deepEqual(said.scopes_supported, ['orders:read']);
  assert.equal((await ask(undefined, { path: `${address}/list` })).json().resource, `${said.resource}/list`);

  const forwarded = (await site().request('wiki', { path: address })).json();
  assert.equal(forwarded.resource, urls.wiki);
  assert.deepEqual(forwarded.authorization_servers, [base]);
  assert.deepEqual(forwarded.scopes_supported, ['pages:read']);

  // And what it names issues tokens: whoever follows the words gets one that passes.
  const metadata = await (await fetch(`${said.authorization_servers[0]}/.well-known/oauth-authorization-server`)).json();
  assert.equal(metadata.issuer, base);
  assert.equal(metadata.token_endpoint, `${base}/token`);
});
