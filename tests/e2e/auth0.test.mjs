// Sign-ins with the shipped preset at a simulator of Auth0, over https with an authority of its own. Its pages load
// scripts from elsewhere, so their forms are sent without a browser.
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';

import {
  derivePreset, eventually, signInAtAuth0, siteSuite, startAuth0, Visitor,
} from './support.mjs';

const alice = { id: 'auth0|64aa00000000000000000001', name: 'Alice Archer', email: 'alice@acme.example' };
const bob = { id: 'auth0|64aa00000000000000000002', name: 'Bob Baker', email: 'bob@elsewhere.example' };

const { site } = siteSuite('auth0', async ({ folder, starting, port }) => {
  const auth0 = await starting(startAuth0(folder, await port(), [alice, bob]));
  const presets = path.join(folder, 'presets');
  // A loopback address would be taken for plain http, and the simulator knows only Auth0's older address for signing out.
  derivePreset(presets, 'auth0', 'auth0-simulated', [
    ['{domain.origin}', 'https://{domain}'],
    ['address = "https://{domain}/oidc/logout"', 'address = "https://{domain}/v2/logout"\nparameters = { client_id = "client_id", returnTo = "return_address" }'],
  ]);
  const provider = (id, words) => `
[[tenants.providers]]
id = "${id}"
preset = "auth0-simulated"
domain = "${auth0.host}"
client_id = "doorward-${id}"
client_secret = { env = "SECRET" }
${words}
`;
  return {
    auth0,
    server: 'providers_folder = "presets"',
    secrets: { SECRET: 'not-a-secret-outside-these-tests' },
    providers: [
      provider('auth0', `ca_file = "${auth0.authorityFile}"`),
      provider('stranger', ''),
      provider('members', `ca_file = "${auth0.authorityFile}"\norganizations = ["org_acme"]`),
    ].join(''),
    rules: `
[[tenants.apps.rules]]
paths = ["/mail"]
email_domains = ["acme.example"]

[[tenants.apps.rules]]
signed_in = true
`,
  };
}, { chromium: false });

const fresh = () => new Visitor({ authority: site().auth0.authority });

/** Opens the app as somebody who is not signed in, and goes to the provider for it. */
async function goTo(visitor, provider, to = '/page') {
  return visitor.get(`${site().urls.wiki}/oauth2/sign_in?rd=${encodeURIComponent(to)}&idp_hint=${provider}`);
}

/** The headers that reached the app, from the page that it shows. */
function seen(page) {
  const [, text] = page.text.match(/<pre id="seen">(.*)<\/pre>/su) ?? assert.fail(`${page.url} is not the app: ${page.text}`);
  return JSON.parse(text.replaceAll('&lt;', '<').replaceAll('&amp;', '&')).headers;
}

function isRefused(visitor, page, provider, reason) {
  assert.ok(page.url.href.startsWith(site().base), page.url.href);
  assert.ok(page.status >= 400, String(page.status));
  assert.deepEqual([...visitor.cookies(site().base).keys()].filter((name) => name.startsWith('__Host-dws-')), []);
  const lines = site().doorward.output().split('\n').filter((line) => line.includes(`"provider":"${provider}"`) && line.includes('"reason"'));
  assert.match(JSON.parse(lines.at(-1) ?? '{}').reason ?? '', reason);
}

test('a person signs in, and the app is told who they are', async () => {
  const visitor = fresh();
  const page = await signInAtAuth0(visitor, await goTo(visitor, 'auth0', '/mail'), alice.email);
  assert.equal(page.url.href, `${site().urls.wiki}/mail`);
  const headers = seen(page);
  assert.equal(headers['x-auth-request-email'], alice.email);
  assert.match(headers['x-auth-request-user'], /^[0-9a-f]{32}$/u);

  const other = fresh();
  const stranger = await signInAtAuth0(other, await goTo(other, 'auth0', '/page'), bob.email);
  assert.notEqual(seen(stranger)['x-auth-request-user'], headers['x-auth-request-user']);
  assert.equal((await other.get(`${site().urls.wiki}/mail`)).status, 403);
});

test('a wrong password is the provider\'s to refuse', async () => {
  const visitor = fresh();
  const page = await signInAtAuth0(visitor, await goTo(visitor, 'auth0'), alice.email, { password: 'not hers' });
  assert.equal(page.status, 400);
  assert.equal(page.url.host, site().auth0.host);
});

test('an ID token for another sign-in is refused: its nonce is another one', async () => {
  const visitor = fresh();
  const page = await signInAtAuth0(visitor, await goTo(visitor, 'auth0'), alice.email, { nonce: 'that-of-another-sign-in' });
  isRefused(visitor, page, 'auth0', /nonce/iu);
});

test('an answer with another state belongs to no sign-in', async () => {
  const visitor = fresh();
  const page = await signInAtAuth0(visitor, await goTo(visitor, 'auth0'), alice.email, { state: 'that-of-another-sign-in' });
  assert.ok(page.url.href.startsWith(`${site().base}/login/auth0/callback`), page.url.href);
  assert.ok(page.status >= 400, String(page.status));
  assert.deepEqual([...visitor.cookies(site().base).keys()].filter((name) => name.startsWith('__Host-dws-')), []);
});

test('whoever is in no organization is not let in where one is asked for', async () => {
  const visitor = fresh();
  const asked = await goTo(visitor, 'members');
  const page = await signInAtAuth0(visitor, asked, alice.email);
  isRefused(visitor, page, 'members', /^this account is not let in: its `\/org_id` is absent$/u);
});

test('a provider whose certificate nobody here has vouched for is not asked', async () => {
  const visitor = fresh();
  const page = await goTo(visitor, 'stranger');
  isRefused(visitor, page, 'stranger', /certificate/iu);
});

test('signing out ends the session here, and tells the provider at its own address', async () => {
  const visitor = fresh();
  await signInAtAuth0(visitor, await goTo(visitor, 'auth0'), alice.email);
  assert.ok(visitor.cookies(site().auth0.url).has('session'));
  const old = [...visitor.cookies(site().urls.wiki)].map(([name, value]) => `${name}=${value}`).join('; ');
  const page = await visitor.get(`${site().urls.wiki}/oauth2/sign_out`);
  assert.ok(page.url.href.startsWith(`${site().base}/signed-out`), page.url.href);
  const words = page.text.match(/<main.*<\/main>/su)[0].replaceAll(/<[^>]*>/gu, '').replaceAll(/\s+/gu, ' ');
  assert.match(words, /You are signed out Signed out of Wiki Signed out of every app of Acme Signed out of Auth0/u);
  assert.equal(visitor.cookies(site().auth0.url).get('session'), undefined, 'the simulator ends its own session');
  await eventually('the old cookie is dead', async () => (await site().request('wiki', { path: '/page', headers: { cookie: old } })).status === 401, 6_000);
});
