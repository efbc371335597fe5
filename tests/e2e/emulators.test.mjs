// Sign-ins with the shipped presets at emulators of Microsoft Entra ID, Google, GitHub and Okta, which others wrote. What
// an emulator does otherwise than its provider is in README.md; where they differ, the provider counts.
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';

import {
  chooseAccount, click, cookieHeader, cookiesNamed, derivePreset, eventually, script, seenByApp, siteSuite, startEmulator,
} from './support.mjs';

const directory = '11111111-2222-4333-8444-555555555555';
const foreignDirectory = '66666666-7777-4888-9999-000000000000';
const secret = 'not-a-secret-outside-these-tests';

const { site, browser } = siteSuite('emulators', async ({ folder, base, starting, port }) => {
  const clients = (...ids) => ids.map((id) => ({
    client_id: `doorward-${id}`, client_secret: secret, name: 'Doorward',
    // Entra wants addresses to return to after a sign-out registered as redirect URIs; the emulator of Okta does, too.
    redirect_uris: [`${base}/login/${id}/callback`, `${base}/signed-out`],
  }));
  const entra = await starting(startEmulator('microsoft', await port(), {
    users: [
      { email: 'alice@acme.example', name: 'Alice Archer', tenant_id: directory },
      { email: 'eve@elsewhere.example', name: 'Eve Elsewhere', tenant_id: foreignDirectory },
    ],
    oauth_clients: clients('entra', 'posted', 'personal', 'everywhere', 'entra-wrong'),
  }));
  const google = await starting(startEmulator('google', await port(), {
    users: [
      { email: 'alice@acme.example', name: 'Alice Archer' },
      { email: 'gina@gmail.com', name: 'Gina Gmail', hd: '' },
      // A personal account under an address of a company, which it keeps when its owner leaves.
      { email: 'left@acme.example', name: 'Leo Left', hd: '' },
      { email: 'unconfirmed@gmail.com', name: 'Uwe Unconfirmed', hd: '', email_verified: false },
    ],
    oauth_clients: clients('google', 'google-any'),
  }));
  const github = await starting(startEmulator('github', await port(), {
    users: [
      { login: 'alice', name: 'Alice Archer', email: 'alice@acme.example' },
      { login: 'eve', name: 'Eve Elsewhere', email: 'eve@elsewhere.example' },
    ],
    orgs: [{ login: 'acme', members: [{ login: 'alice' }] }, { login: 'other', members: [{ login: 'alice' }, { login: 'eve' }] }],
    oauth_apps: clients('github', 'github-wrong'),
  }));
  const okta = await starting(startEmulator('okta', await port(), {
    users: [
      { okta_id: '00ualice', login: 'alice@acme.example', first_name: 'Alice', last_name: 'Archer' },
      { okta_id: '00ueve', login: 'eve@elsewhere.example', first_name: 'Eve', last_name: 'Elsewhere' },
    ],
    groups: [{ okta_id: '00gadmins', name: 'admins' }],
    group_memberships: [{ group_okta_id: '00gadmins', user_okta_id: '00ualice' }],
    oauth_clients: [
      ...clients('okta').map((client) => ({ ...client, auth_server_id: 'default' })),
      ...clients('okta-org').map((client) => ({ ...client, auth_server_id: 'org' })),
    ],
  }));

  const presets = path.join(folder, 'presets');
  // Google has one address, which nobody can change.
  derivePreset(presets, 'google', 'google-emulated', [['"https://accounts.google.com"', `"${google.url}"`]]);
  // The emulator's API is at the root, and it does not know the address of a person's teams.
  derivePreset(presets, 'github', 'github-emulated', [
    ['api = "{host.origin}/api/v3"', 'api = "{host.origin}"'], ['{api}/user/teams?per_page=100', '{api}/user/orgs?per_page=100'],
    ['members = ["/organization/login", "slug"]', 'members = ["login"]'],
  ]);
  // Entra can be asked to post its answer.
  derivePreset(presets, 'entra', 'entra-posted', [['pkce = true\n', 'pkce = true\nresponse_mode = "form_post"\n']]);

  const provider = (id, preset, words, secretName = 'SECRET') => `
[[tenants.providers]]
id = "${id}"
preset = "${preset}"
name = "at ${id}"
client_id = "doorward-${id}"
client_secret = { env = "${secretName}" }
${words}
`;
  return {
    entra, google, github, okta,
    server: 'providers_folder = "presets"',
    secrets: { SECRET: secret, WRONG: 'another secret' },
    providers: [
      provider('entra', 'entra', `host = "${entra.host}"\ntenant = "${directory}"\nemail_trusted_domains = ["acme.example"]`),
      provider('posted', 'entra-posted', `host = "${entra.host}"\ntenant = "${directory}"`),
      provider('personal', 'entra', `host = "${entra.host}"\ntenant = "consumers"`),
      provider('everywhere', 'entra', `host = "${entra.host}"\ntenant = "organizations"\nallowed_tenants = "any"`),
      provider('entra-wrong', 'entra', `host = "${entra.host}"\ntenant = "${directory}"`, 'WRONG'),
      provider('google', 'google-emulated', 'hosted_domains = ["acme.example"]'),
      provider('google-any', 'google-emulated', 'hosted_domains = "any"'),
      provider('github', 'github-emulated', `host = "${github.host}"`),
      provider('github-wrong', 'github-emulated', `host = "${github.host}"`, 'WRONG'),
      provider('okta', 'okta', `domain = "${okta.host}"\nauthorization_server = "default"\ngroups_scope = "groups"`),
      provider('okta-org', 'okta', `domain = "${okta.host}"\ngroups_scope = "groups"`),
    ].join(''),
    rules: `
[[tenants.apps.rules]]
paths = ["/acme-at-github"]
groups = ["acme"]

[[tenants.apps.rules]]
paths = ["/admin"]
groups = ["admins"]
providers = ["okta", "okta-org"]

[[tenants.apps.rules]]
paths = ["/mail"]
email_domains = ["acme.example"]

[[tenants.apps.rules]]
signed_in = true
`,
  };
});

/** Opens `address` as somebody who is not signed in, and goes to a provider for it. */
async function goTo(page, provider, address = `${site().urls.wiki}/page`) {
  await page.goto(address);
  // There are more of them than the page shows at once, unless a rule leaves few.
  const more = page.getByText(/^Show \d+ more$/u);
  if (await more.isVisible()) {
    await more.click();
  }
  await click(page, new RegExp(`^Continue with at ${provider}( |$)`, 'u'));
}

/** The same, chooses an account there, and arrives. Answers what reached the app. */
async function signIn(page, provider, login, address = `${site().urls.wiki}/page`) {
  await goTo(page, provider, address);
  await chooseAccount(page, login);
  await page.waitForURL(address);
  const { headers } = await seenByApp(page);
  const identity = (name) => headers[`x-auth-request-${name}`] ?? '';
  return { user: identity('user'), email: identity('email'), username: identity('preferred-username'), groups: identity('groups') };
}

/** Goes to a provider, chooses an account there, and is not let in here. Answers the line of the log that says why. */
async function isRefused(page, provider, login) {
  await goTo(page, provider);
  if (login) {
    await chooseAccount(page, login);
  }
  await page.getByText('For your administrator').waitFor();
  assert.ok(page.url().startsWith(site().base), page.url());
  assert.deepEqual(await cookiesNamed(page.context(), '__Host-dws-'), []);
  const lines = site().doorward.output().split('\n').filter((line) => line.includes(`"provider":"${provider}"`) && line.includes('"reason"'));
  return JSON.parse(lines.at(-1)).reason;
}

async function opens(cookie) {
  const { status } = await site().request('wiki', { path: '/page', headers: { ...script, cookie } });
  assert.ok([200, 401].includes(status), String(status));
  return status === 200;
}

test('Entra: a member of the directory signs in, and nothing vouches for the address', async () => {
  const page = await (await browser()).newPage();
  const seen = await signIn(page, 'entra', 'alice@acme.example');
  assert.match(seen.user, /^[0-9a-f]{32}$/u);
  assert.equal(seen.username, 'alice@acme.example');
  // Neither `xms_edov`, nor `acct`, which would say that she is a member: her domain being trusted is not enough.
  assert.equal(seen.email, '');
  assert.equal((await page.goto(`${site().urls.wiki}/mail`)).status(), 403);
});

test('Entra: an answer that is posted arrives, although the browser keeps our cookie from it', async () => {
  const direct = await signIn(await (await browser()).newPage(), 'entra', 'alice@acme.example');
  const posted = await signIn(await (await browser()).newPage(), 'posted', 'alice@acme.example');
  assert.equal(posted.user, direct.user);
});

test('Entra: an account of another directory is refused', async () => {
  const page = await (await browser()).newPage();
  const reason = await isRefused(page, 'entra', 'eve@elsewhere.example');
  assert.match(reason, new RegExp(`expected .*${directory}/v2\\.0. .found .*${foreignDirectory}/v2\\.0`, 'u'));
});

test('Entra: personal accounts are a directory of their own', async () => {
  const seen = await signIn(await (await browser()).newPage(), 'personal', 'testuser@outlook.com');
  assert.equal(seen.username, 'testuser@outlook.com');
  const reason = await isRefused(await (await browser()).newPage(), 'personal', 'alice@acme.example');
  assert.match(reason, new RegExp(`Invalid issuer.*found .*${directory}/v2\\.0`, 'u'));
});

test('Entra: metadata for all directories that names one of them is not Entra\'s', async () => {
  const reason = await isRefused(await (await browser()).newPage(), 'everywhere');
  assert.match(reason, /the discovery document is of issuer .*9188040d-6c67-4c5b-b112-36a304b66dad\/v2\.0`, not .*\/\{tenantid\}\/v2\.0`/u);
});

test('Entra: with a wrong secret nobody gets in', async () => {
  const reason = await isRefused(await (await browser()).newPage(), 'entra-wrong', 'alice@acme.example');
  assert.match(reason, /^the token endpoint answered `invalid_client`/u);
});

test('Google: a member of the organization signs in, others are refused', async () => {
  const seen = await signIn(await (await browser()).newPage(), 'google', 'alice@acme.example', `${site().urls.wiki}/mail`);
  assert.equal(seen.email, 'alice@acme.example');
  for (const login of ['gina@gmail.com', 'left@acme.example']) {
    const reason = await isRefused(await (await browser()).newPage(), 'google', login);
    assert.match(reason, /^this account is not let in: its `\/hd` is absent$/u);
  }
});

test('Google: an address counts where Google vouches for it', async () => {
  const emailOf = async (login) => (await signIn(await (await browser()).newPage(), 'google-any', login)).email;
  assert.equal(await emailOf('gina@gmail.com'), 'gina@gmail.com');
  assert.equal(await emailOf('alice@acme.example'), 'alice@acme.example');
  assert.equal(await emailOf('left@acme.example'), '');
  assert.equal(await emailOf('unconfirmed@gmail.com'), '');
});

test('GitHub: a person\'s organizations are groups', async () => {
  const page = await (await browser()).newPage();
  const seen = await signIn(page, 'github', 'alice', `${site().urls.wiki}/acme-at-github`);
  assert.equal(seen.username, 'alice');
  assert.equal(seen.email, 'alice@acme.example');
  assert.deepEqual([...new Set(seen.groups.split(','))].sort(), ['acme', 'other']);

  const eve = await (await browser()).newPage();
  await signIn(eve, 'github', 'eve');
  assert.equal((await eve.goto(`${site().urls.wiki}/acme-at-github`)).status(), 403);
});

test('GitHub: an error under status 200 is an error', async () => {
  const reason = await isRefused(await (await browser()).newPage(), 'github-wrong', 'alice');
  assert.match(reason, /^the token endpoint answered `incorrect_client_credentials`/u);
});

for (const [provider, server] of [['okta', 'a custom server'], ['okta-org', 'the org\'s own server']]) {
  test(`Okta: groups come through ${server}, and open for those who are in them`, async () => {
    const page = await (await browser()).newPage();
    const seen = await signIn(page, provider, 'alice@acme.example', `${site().urls.wiki}/admin`);
    assert.equal(seen.email, 'alice@acme.example');
    assert.equal(seen.groups, 'admins');

    const eve = await (await browser()).newPage();
    await signIn(eve, provider, 'eve@elsewhere.example');
    assert.equal((await eve.goto(`${site().urls.wiki}/admin`)).status(), 403);
  });
}

test('Okta: a person is the same through both of its servers', async () => {
  const custom = await signIn(await (await browser()).newPage(), 'okta', 'alice@acme.example');
  const own = await signIn(await (await browser()).newPage(), 'okta-org', 'alice@acme.example');
  assert.equal(custom.user, own.user);
});

const signOuts = {
  entra: ['alice@acme.example', 'You are signed out', /^Signed out of at entra$/mu],
  google: ['alice@acme.example', 'You are signed out', /^You may still be signed in at at google\.$/mu],
  github: ['alice', 'You are signed out', /^You may still be signed in at at github\.$/mu],
  // This emulator does not give back `state`, by which the page would know what has ended.
  okta: ['alice@acme.example', 'You are not signed in', /./u],
};
for (const [provider, [login, heading, words]] of Object.entries(signOuts)) {
  test(`${provider}: signing out ends the session here, and says what became of the provider's`, async () => {
    const context = await browser();
    const page = await context.newPage();
    await signIn(page, provider, login);
    const old = await cookieHeader(context, site().urls.wiki);
    assert.ok(await opens(old));
    await click(page, 'Sign out');
    await page.getByRole('heading', { name: heading }).waitFor();
    assert.ok(page.url().startsWith(`${site().base}/signed-out`), page.url());
    assert.match(await page.locator('main').innerText(), words);
    await eventually('the old cookie is dead', async () => !await opens(old), 6_000);
  });
}

const trials = {
  entra: [], posted: [], personal: [], google: [], github: [], okta: [], 'okta-org': [],
  everywhere: ['discovery'], 'entra-wrong': ['client'], 'github-wrong': ['client'],
};
test('`doorward provider test` finds what is wrong, and nothing else', async () => {
  for (const [provider, wrong] of Object.entries(trials)) {
    const { status, findings, steps } = await site().tryProvider(provider);
    const found = Object.keys(findings).filter((what) => findings[what] === 'wrong');
    assert.deepEqual(found, wrong, `${provider}: ${JSON.stringify(steps)}`);
    assert.equal(status, wrong.length > 0 ? 1 : 0, provider);
    assert.ok(findings.discovery ?? findings['redirect URI'], provider);
  }
});
