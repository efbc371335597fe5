// The stand-ins themselves: a provider that people can sign in at, twenty at once, and a browser that does it. When
// these fail, the other files say nothing about the broker.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import http from 'node:http';
import { after, before, test } from 'node:test';

import { freePorts, freshBrowser, launchBrowser, request, signInAtProvider, startProvider } from './support.mjs';

let provider;
let browser;
let callback;
let client;

before(async () => {
  const [providerPort, clientPort] = await freePorts(2);
  callback = `http://client.localhost:${clientPort}/callback`;
  provider = await startProvider(providerPort, [{ id: 'client', secret: 'secret', redirect: callback, afterLogout: [`${callback}/out`] }]);
  await provider.start();
  client = http.createServer((_, response) => response.end('back'));
  await new Promise((resolve) => { client.listen(clientPort, '127.0.0.1', resolve); });
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await provider?.stop();
  client?.closeAllConnections();
  client?.close();
});

function authorization(parameters = {}) {
  const verifier = randomBytes(32).toString('base64url');
  const query = new URLSearchParams({
    client_id: 'client', response_type: 'code', redirect_uri: callback, scope: 'openid profile email groups',
    state: randomBytes(8).toString('hex'), nonce: 'n', code_challenge_method: 'S256',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'), ...parameters,
  });
  return { verifier, address: `${provider.issuer}/auth?${query}` };
}

async function redeem(page, verifier) {
  const body = new URLSearchParams({
    grant_type: 'authorization_code', code: new URL(page.url()).searchParams.get('code'), redirect_uri: callback, code_verifier: verifier,
  }).toString();
  const answer = await request({
    port: provider.port, path: '/token', method: 'POST', body,
    headers: {
      'content-type': 'application/x-www-form-urlencoded', 'content-length': body.length,
      authorization: `Basic ${Buffer.from('client:secret').toString('base64')}`,
    },
  });
  assert.equal(answer.status, 200, answer.text);
  return answer.json();
}

test('its metadata names what the broker relies on', async () => {
  const metadata = (await request({ port: provider.port, path: '/.well-known/openid-configuration' })).json();
  assert.equal(metadata.issuer, provider.issuer);
  assert.equal(metadata.authorization_response_iss_parameter_supported, true);
  assert.ok(metadata.end_session_endpoint);
  assert.deepEqual(metadata.code_challenge_methods_supported, ['S256']);
});

test('a person signs in, is told apart by groups, and can be another person next', async () => {
  const context = await freshBrowser(browser);
  const page = await context.newPage();
  const first = authorization();
  await page.goto(first.address);
  await signInAtProvider(page, 'alice');
  await page.waitForURL(`${callback}**`);
  const tokens = await redeem(page, first.verifier);
  const info = (await request({ port: provider.port, path: '/me', headers: { authorization: `Bearer ${tokens.access_token}` } })).json();
  assert.deepEqual(info.groups, ['admins', 'staff']);
  assert.equal(info.email_verified, true);

  for (const prompt of ['login', 'select_account']) {
    const next = authorization({ prompt });
    await page.goto(next.address);
    await signInAtProvider(page, 'bob');
    await page.waitForURL(`${callback}**`);
    const { id_token: token } = await redeem(page, next.verifier);
    assert.equal(JSON.parse(Buffer.from(token.split('.')[1], 'base64url')).sub, 'bob', prompt);
  }
  await context.close();
});

test('twenty sign-ins wait and end in one browser', async () => {
  const context = await freshBrowser(browser);
  const pages = await Promise.all(Array.from({ length: 20 }, () => context.newPage()));
  await Promise.all(pages.map((page) => page.goto(authorization().address)));
  await Promise.all(pages.map(async (page) => {
    await signInAtProvider(page, 'alice');
    await page.waitForURL(`${callback}**`);
  }));
  assert.ok(pages.every((page) => new URL(page.url()).searchParams.has('code')));
  await context.close();
});

test('it signs people out and sends them back', async () => {
  const context = await freshBrowser(browser);
  const page = await context.newPage();
  const { address, verifier } = authorization();
  await page.goto(address);
  await signInAtProvider(page, 'alice');
  await page.waitForURL(`${callback}**`);
  const { id_token: hint } = await redeem(page, verifier);
  await page.goto(`${provider.issuer}/session/end?${new URLSearchParams({ id_token_hint: hint, post_logout_redirect_uri: `${callback}/out`, state: 's' })}`);
  await page.getByRole('button', { name: 'Yes, sign me out' }).click();
  await page.waitForURL(`${callback}/out?state=s`);
  await context.close();
});
