// A real Keycloak, set up as docs/providers/keycloak.md says: people sign in with its own form, its groups decide, and
// both sides end together.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import {
  click, cookieHeader, cookiesNamed, eventually, people, realm, realmRoles, script, seenByApp, signInAtKeycloak, siteSuite, startKeycloak,
} from './support.mjs';

const { site, browser } = siteSuite('keycloak', async ({ folder, base, starting, port }) => {
  const keycloak = await starting(startKeycloak(folder, await port()));
  await keycloak.admin.createRealm();
  const register = (provider, more) => keycloak.admin.registerClient(`doorward-${provider}`, { base, provider, ...more });

  const signing = generateKeyPairSync('rsa', { modulusLength: 2048 });
  writeFileSync(path.join(folder, 'client-key.pem'), signing.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  const published = { ...signing.publicKey.export({ format: 'jwk' }), kid: 'e2e', use: 'sig', alg: 'RS256' };

  const secrets = {
    STAFF_SECRET: await register('staff'),
    INNER_SECRET: await register('inner'),
  };
  await register('signing', {
    clientAuthenticatorType: 'client-jwt',
    attributes: { 'use.jwks.string': 'true', 'jwks.string': JSON.stringify({ keys: [published] }) },
  });
  await register('roles', { publicClient: true, mapper: realmRoles });
  await register('mistaken');
  const discovery = `${keycloak.inner}/realms/${realm}/.well-known/openid-configuration`;
  const provider = (id, words) => `
[[tenants.providers]]
id = "${id}"
preset = "keycloak"
name = "Keycloak ${id}"
realm = "${realm}"
client_id = "doorward-${id}"
${words}
`;
  return {
    keycloak, secrets,
    providers: [
      provider('staff', `url = "${keycloak.url}"\nclient_secret = { env = "STAFF_SECRET" }`),
      provider('inner', `url = "${keycloak.url}"\ndiscovery = "${discovery}"\nclient_secret = { env = "INNER_SECRET" }`),
      provider('signing', `url = "${keycloak.url}"\nprivate_key = { file = "client-key.pem" }\nkey_id = "e2e"`),
      provider('roles', `url = "${keycloak.url}"\ngroups_claim = "/realm_access/roles"`),
      // Nobody has registered its redirect URI.
      provider('unregistered', `url = "${keycloak.url}"\nclient_secret = { env = "STAFF_SECRET" }`).replace('"doorward-unregistered"', '"doorward-staff"'),
      // The secret is another client's.
      provider('mistaken', `url = "${keycloak.url}"\nclient_secret = { env = "STAFF_SECRET" }`),
      // Keycloak calls itself `localhost`: this is the wrong name for it.
      provider('misnamed', `url = "${keycloak.inner}"\nclient_secret = { env = "STAFF_SECRET" }`),
    ].join(''),
    rules: `
[[tenants.apps.rules]]
paths = ["/admin"]
groups = ["/admins"]

[[tenants.apps.rules]]
paths = ["/ops"]
groups = ["/staff/ops"]

[[tenants.apps.rules]]
paths = ["/mail"]
email_domains = ["acme.example"]

[[tenants.apps.rules]]
signed_in = true
`,
  };
});

/** Opens `address` as somebody who is not signed in here, and goes to Keycloak for it. */
async function goToKeycloak(page, address, provider = 'staff') {
  await page.goto(address);
  const more = page.getByText(/^Show \d+ more$/u);
  if (await more.isVisible()) {
    await more.click();
  }
  await click(page, new RegExp(`^Continue with Keycloak ${provider}( |$)`, 'u'));
}

/** The same, signs in there, and arrives. Answers the app's answer. */
async function signIn(page, address, username, provider) {
  await goToKeycloak(page, address, provider);
  await signInAtKeycloak(page, username);
  await page.waitForURL(address);
  return seenByApp(page);
}

/** Whether the cookies in `cookie` open the app. */
async function opens(cookie) {
  const { status } = await site().request('wiki', { path: '/page', headers: { ...script, cookie } });
  assert.ok([200, 401].includes(status), String(status));
  return status === 200;
}

test('a person signs in with Keycloak\'s own form, and the app is told who they are and their groups', async () => {
  const page = await (await browser()).newPage();
  const { headers } = await signIn(page, `${site().urls.wiki}/page?a=1&b=2`, 'alice');
  assert.equal(headers['x-auth-request-email'], people.alice.email);
  assert.equal(headers['x-auth-request-preferred-username'], 'alice');
  assert.deepEqual(headers['x-auth-request-groups'].split(',').sort(), people.alice.groups);
  assert.match(headers['x-auth-request-user'], /^[0-9a-f]{32}$/u);
});

test('a wrong password is Keycloak\'s to refuse, and the next attempt goes through', async () => {
  const context = await browser();
  const page = await context.newPage();
  const address = `${site().urls.wiki}/page`;
  await goToKeycloak(page, address);
  await signInAtKeycloak(page, 'bob', 'not his');
  await page.getByText('Invalid username or password.').first().waitFor();
  assert.deepEqual(await cookiesNamed(context, '__Host-dws-'), []);
  await signInAtKeycloak(page, 'bob');
  await page.waitForURL(address);
});

test('rules by group open for those who are in it and for nobody else', async () => {
  const alice = await (await browser()).newPage();
  await signIn(alice, `${site().urls.wiki}/admin/users`, 'alice');
  assert.equal((await alice.goto(`${site().urls.wiki}/ops`)).status(), 200);

  const bob = await (await browser()).newPage();
  await signIn(bob, `${site().urls.wiki}/page`, 'bob');
  for (const path of ['/admin/users', '/ops']) {
    const answer = await bob.goto(`${site().urls.wiki}${path}`);
    assert.equal(answer.status(), 403, path);
    await bob.getByRole('heading', { name: 'Your account cannot open Wiki' }).waitFor();
  }
});

test('an address that Keycloak does not vouch for opens nothing and is not passed on', async () => {
  const page = await (await browser()).newPage();
  const { headers } = await signIn(page, `${site().urls.wiki}/page`, 'uma');
  assert.equal(headers['x-auth-request-email'] ?? '', '');
  assert.equal((await page.goto(`${site().urls.wiki}/mail`)).status(), 403);
});

test('a person who is refused signs in with another account', async () => {
  const page = await (await browser()).newPage();
  const address = `${site().urls.wiki}/admin/users`;
  await goToKeycloak(page, address);
  await signInAtKeycloak(page, 'bob');
  await page.getByRole('heading', { name: 'Your account cannot open Wiki' }).waitFor();
  await click(page, 'Use another account');
  await click(page, /^Continue with Keycloak staff/u);
  // Keycloak asks for the password of the account that it knows; the link beside its name is for another one.
  await page.getByText('Please re-authenticate to continue').waitFor();
  await page.getByLabel('Restart login').click();
  await signInAtKeycloak(page, 'alice');
  await page.waitForURL(address);
  assert.equal((await seenByApp(page)).headers['x-auth-request-preferred-username'], 'alice');
});

test('a second login needs no password while Keycloak remembers the person', async () => {
  const context = await browser();
  const page = await context.newPage();
  const first = await signIn(page, `${site().urls.wiki}/page`, 'alice');
  await context.clearCookies({ domain: 'wiki.localhost' });
  await context.clearCookies({ domain: '127.0.0.1', name: /^__Host-dw/u });
  await goToKeycloak(page, `${site().urls.wiki}/other`);
  await page.waitForURL(`${site().urls.wiki}/other`);
  assert.equal((await seenByApp(page)).headers['x-auth-request-user'], first.headers['x-auth-request-user']);
});

test('signing out ends the session here and at Keycloak', async () => {
  const context = await browser();
  const page = await context.newPage();
  await signIn(page, `${site().urls.wiki}/page`, 'bob');
  const old = await cookieHeader(context, site().urls.wiki);
  assert.ok(await opens(old));
  const sessions = await site().keycloak.admin.sessions('bob');
  await click(page, 'Sign out');
  // Keycloak asks nothing: it was told whose session it is, and where to go on.
  await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
  assert.ok(page.url().startsWith(`${site().base}/signed-out`), page.url());
  await eventually('the old cookie is dead', async () => !await opens(old), 6_000);
  assert.equal((await site().keycloak.admin.sessions('bob')).length, sessions.length - 1);

  await goToKeycloak(page, `${site().urls.wiki}/page`);
  await page.getByLabel('Username or email').waitFor();
});

test('without a secret: Keycloak verifies a signature with the key it was given', async () => {
  const page = await (await browser()).newPage();
  const { headers } = await signIn(page, `${site().urls.wiki}/page`, 'alice', 'signing');
  assert.equal(headers['x-auth-request-email'], people.alice.email);
});

test('a client without authentication, and realm roles in place of groups', async () => {
  const page = await (await browser()).newPage();
  const { headers } = await signIn(page, `${site().urls.wiki}/page`, 'alice', 'roles');
  assert.deepEqual(headers['x-auth-request-groups'].split(',').filter((group) => !group.startsWith('default-roles')), ['auditor']);
});

test('where only an inner address can be reached, the metadata there counts, and people are who they were', async () => {
  const outer = await (await browser()).newPage();
  const direct = await signIn(outer, `${site().urls.wiki}/page`, 'alice');
  const page = await (await browser()).newPage();
  await goToKeycloak(page, `${site().urls.wiki}/page`, 'inner');
  assert.ok(page.url().startsWith(site().keycloak.url), 'a person sees the public address');
  await signInAtKeycloak(page, 'alice');
  await page.waitForURL(`${site().urls.wiki}/page`);
  assert.equal((await seenByApp(page)).headers['x-auth-request-user'], direct.headers['x-auth-request-user']);
});

test('a Keycloak that calls itself something else is refused, and the log has both names', async () => {
  const context = await browser();
  const page = await context.newPage();
  await goToKeycloak(page, `${site().urls.wiki}/page`, 'misnamed');
  await page.getByText('For your administrator').waitFor();
  assert.deepEqual(await cookiesNamed(context, '__Host-dws-'), []);
  const { url, inner } = site().keycloak;
  const names = [url, inner].map((address) => `\`${address}/realms/${realm}\``);
  assert.ok(site().doorward.output().split('\n').some((line) => names.every((name) => line.includes(name))));
});

const trials = {
  staff: [], inner: [], signing: [], roles: [],
  unregistered: ['redirect URI'], mistaken: ['client'], misnamed: ['discovery'],
};
test('`doorward provider test` finds what is wrong, and nothing else', async () => {
  for (const [provider, wrong] of Object.entries(trials)) {
    const { status, findings, steps } = await site().tryProvider(provider);
    const found = Object.keys(findings).filter((what) => findings[what] === 'wrong');
    assert.deepEqual(found, wrong, `${provider}: ${JSON.stringify(steps)}`);
    assert.equal(status, wrong.length > 0 ? 1 : 0, provider);
    assert.ok(findings.discovery, provider);
  }
});

test('with another client\'s secret nobody gets in', async () => {
  const context = await browser();
  const page = await context.newPage();
  await goToKeycloak(page, `${site().urls.wiki}/page`, 'mistaken');
  await signInAtKeycloak(page, 'alice');
  await page.getByText('For your administrator').waitFor();
  assert.ok(page.url().startsWith(site().base), page.url());
  assert.deepEqual(await cookiesNamed(context, '__Host-dws-'), []);
});
