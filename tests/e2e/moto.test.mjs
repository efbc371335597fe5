// The user pools of moto. They have an API, keys and metadata, but nowhere to sign in and no token endpoint: the shipped
// preset can be shown up to there. The tokens that their API hands out are verified by the library, by the rules that
// Cognito's access tokens need.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';

import { cognitoExample, derivePreset, serveMetadata, siteSuite, startMoto } from './support.mjs';

const { site } = siteSuite('moto', async ({ folder, starting, port }) => {
  const moto = await starting(startMoto(folder, await port()));
  const pool = await moto.createPool('people');
  const other = await moto.createPool('others');
  const clients = { orders: await moto.createClient(pool, 'orders'), games: await moto.createClient(pool, 'games') };

  const metadata = await starting(serveMetadata(await port(), { issuer: pool.issuer, domain: moto.url, keys: pool.keys }));
  const presets = path.join(folder, 'presets');
  const found = (address) => [['protocol = "oidc"\n', `protocol = "oidc"\ndiscovery = "${address}"\n`]];
  // Both keep the issuer that Amazon has; only the metadata are elsewhere.
  derivePreset(presets, 'cognito', 'moto', found(metadata.url));
  derivePreset(presets, 'cognito', 'moto-as-it-is', found(`${moto.url}/${pool.id}/.well-known/openid-configuration`));

  const provider = (preset) => `
[[tenants.providers]]
id = "${preset}"
preset = "${preset}"
region = "us-east-1"
user_pool_id = "${pool.id}"
domain = "${moto.host}"
client_id = "${clients.orders}"
client_secret = { env = "SECRET" }
`;
  return {
    moto, pool, other, clients,
    server: 'providers_folder = "presets"',
    secrets: { SECRET: 'nobody asks for it' },
    providers: provider('moto') + provider('moto-as-it-is'),
  };
}, { chromium: false });

/** What the library says of a token: its claims, or why it is refused. */
function verified(token, { pool = site().pool, clients = [site().clients.orders] } = {}) {
  return new Promise((resolve, reject) => {
    const program = spawn(cognitoExample, [pool.issuer, clients.join(','), pool.keys], { timeout: 60_000 });
    const said = { claims: '', reason: '' };
    program.stdout.on('data', (text) => { said.claims += text; });
    program.stderr.on('data', (text) => { said.reason += text; });
    program.once('error', () => reject(new Error(`there is no ${cognitoExample}: run \`cargo build --example cognito_access_token\``)));
    program.once('close', (status) => {
      assert.equal(status, said.claims ? 0 : 1, said.reason);
      resolve({ claims: said.claims ? JSON.parse(said.claims) : undefined, reason: said.reason.trim() });
    });
    // A program that refuses before it has read everything is not a fault.
    program.stdin.on('error', () => {});
    program.stdin.end(token);
  });
}

const parts = (token) => token.split('.').slice(0, 2).map((part) => JSON.parse(Buffer.from(part, 'base64url')));

test('the metadata and the keys of a pool are found, and what is missing is named', async () => {
  const { findings, steps, status } = await site().tryProvider('moto');
  assert.equal(findings.discovery, 'ok', JSON.stringify(steps));
  assert.equal(findings.keys, 'ok', JSON.stringify(steps));
  assert.match(steps.find(({ what }) => what === 'keys').seen, /^1 for RS256, at /u);
  assert.equal(findings['redirect URI'], 'wrong');
  assert.equal(findings.client, 'wrong');
  assert.equal(status, 1);
});

test('metadata that says nothing of where to sign in is refused', async () => {
  const { findings, steps, status } = await site().tryProvider('moto-as-it-is');
  assert.equal(findings.discovery, 'wrong');
  assert.match(JSON.stringify(steps), /missing field `authorization_endpoint`/u);
  assert.equal(status, 1);
});

test('an access token of a pool is verified', async () => {
  const { pool, clients, moto } = site();
  const { AccessToken: token } = await moto.tokens(pool, clients.orders);
  const { claims, reason } = await verified(token);
  assert.equal(reason, '');
  assert.deepEqual(claims, parts(token)[1]);
  assert.equal(claims.iss, pool.issuer);
  assert.equal(claims.client_id, clients.orders);
  assert.equal(claims.aud, undefined);
  assert.deepEqual(claims['cognito:groups'], ['admins']);
});

test('p13_5 an ID token is no access token', async () => {
  const { pool, clients, moto } = site();
  const { IdToken: token } = await moto.tokens(pool, clients.orders);
  assert.equal(parts(token)[1].token_use, 'id');
  const { reason } = await verified(token);
  assert.equal(reason, 'the token is of another kind: it has `token_use`');
});

test('p13_5 an access token of another app client is refused', async () => {
  const { pool, clients, moto } = site();
  const { AccessToken: token } = await moto.tokens(pool, clients.games);
  assert.equal((await verified(token)).reason, 'the client in `/client_id` is not admitted');
  assert.equal((await verified(token, { clients: [clients.orders, clients.games] })).reason, '');
});

test('a token of another pool is refused, although moto signs it with the same key', async () => {
  const { moto, pool, other } = site();
  const client = await moto.createClient(other, 'orders');
  const { AccessToken: token } = await moto.tokens(other, client);
  assert.equal((await verified(token, { pool: other, clients: [client] })).reason, '');
  const { reason } = await verified(token, { pool, clients: [client] });
  assert.equal(reason, `\`iss\` is none of this issuer's names: \`${other.issuer.slice(0, 64)}\``);
});

test('a token that was altered is refused', async () => {
  const { moto, pool, clients } = site();
  const { AccessToken: token } = await moto.tokens(pool, clients.games);
  const [header, payload, signature] = token.split('.');
  const forged = { ...JSON.parse(Buffer.from(payload, 'base64url')), client_id: clients.orders };
  const { reason } = await verified([header, Buffer.from(JSON.stringify(forged)).toString('base64url'), signature].join('.'));
  assert.equal(reason, 'the signature does not fit');
});

test('keys that cannot be had are no reason to call a token bad', async () => {
  const { moto, pool, clients } = site();
  const { AccessToken: token } = await moto.tokens(pool, clients.orders);
  const { reason } = await verified(token, { pool: { ...pool, keys: `${moto.url}/nowhere` } });
  assert.match(reason, /^the issuer's keys cannot be had: /u);
});
