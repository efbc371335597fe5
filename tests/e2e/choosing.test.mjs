// Which provider somebody is sent to by their e-mail address, and what they read where it does not let them in: the pages
// that a person meets on the way, in a real browser, with a real provider.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  assertNothingRefused, control, click, cookiesNamed, look, screenshotFolder, seenByApp, signInAtProvider, siteSuite, startProvider,
} from './support.mjs';

const secret = 'a secret that both sides know, and nobody else';
const field = 'Your work e-mail address';

const { site, browser } = siteSuite('choosing', async ({ base, starting, port }) => {
  const ids = ['staff', 'admins', 'strong', 'broken'];
  const clients = ids.map((id) => ({ id, secret, redirect: `${base}/login/${id}/callback`, afterLogout: [`${base}/signed-out`] }));
  const provider = await startProvider(await port(), clients);
  await provider.start();
  await starting(provider);
  const table = (id, name, words, secretName = 'SECRET') => `
[[tenants.providers]]
id = "${id}"
preset = "oidc"
name = "${name}"
issuer = "${provider.issuer}"
client_id = "${id}"
client_secret = { env = "${secretName}" }
scopes = ["openid", "profile", "email", "groups"]
${words}
`;
  return {
    provider,
    secrets: { SECRET: secret, WRONG: 'another secret' },
    providers: [
      table('staff', 'Acme staff', 'email_domains = ["acme.example"]'),
      table('admins', 'Acme administrators', 'email_domains = ["admins.acme.example"]\nrestrictions = { groups = ["admins"] }'),
      table('strong', 'Acme staff with a second factor', 'email_domains = ["strong.acme.example"]\nrestrictions = { amr = ["mfa"] }'),
      table('broken', 'Acme partners', 'email_domains = ["partners.example"]', 'WRONG'),
    ].join(''),
  };
});

/** Opens the app, and continues with an e-mail address. Answers the parameters with which the provider was asked. */
async function continueAs(page, address) {
  await page.goto(`${site().urls.wiki}/page`);
  await page.getByLabel(field).fill(address);
  const asked = page.waitForRequest((request) => request.url().startsWith(`${site().provider.issuer}/auth?`));
  await click(page, /^Continue$/u);
  return new URL((await asked).url()).searchParams;
}

test('an e-mail address leads to the provider of its domain, with the address in hand', async (t) => {
  t.diagnostic(`pictures: ${screenshotFolder()}`);
  const page = await (await browser()).newPage();
  await page.goto(`${site().urls.wiki}/page`);
  await page.getByLabel(field).waitFor();
  await look(page, 'sign-in-by-email');

  // The browser holds each redirect after this form against its policy: it goes on to another host.
  const asked = await continueAs(page, 'Bob@ACME.example');
  assert.equal(asked.get('client_id'), 'staff');
  assert.equal(asked.get('login_hint'), 'bob@acme.example');
  await signInAtProvider(page, 'bob');
  await page.waitForURL(`${site().urls.wiki}/page`);
  assert.equal((await seenByApp(page)).headers['x-auth-request-email'], 'bob@acme.example');
  assertNothingRefused();
});

test('the field can be used with the keyboard alone', async () => {
  const page = await (await browser()).newPage();
  await page.goto(`${site().urls.wiki}/page`);
  await page.keyboard.press('Tab');
  assert.ok(await page.getByLabel(field).evaluate((input) => input === document.activeElement));
  await page.keyboard.type('bob@acme.example');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Sign in at the provider' }).waitFor();
});

test('an address that leads nowhere stays in the field, with what is wrong', async () => {
  const page = await (await browser()).newPage();
  await page.goto(`${site().urls.wiki}/page`);
  await page.getByLabel(field).fill('eve@elsewhere.example');
  const [answer] = await Promise.all([page.waitForResponse((response) => response.request().method() === 'POST'), click(page, /^Continue$/u)]);
  assert.ok(answer.url().startsWith(`${site().base}/login`), answer.url());
  await page.getByText('No way to sign in is known for this address.').waitFor();
  assert.equal(await page.getByLabel(field).inputValue(), 'eve@elsewhere.example');
  await look(page, 'sign-in-by-email-unknown');

  // The providers are still there, and so is the way to where the person was going.
  await click(page, /^Continue with Acme staff/u);
  await signInAtProvider(page, 'eve');
  await page.waitForURL(`${site().urls.wiki}/page`);
});

test('an address that is none is told by the browser, and nothing is sent', async () => {
  const page = await (await browser()).newPage();
  await page.goto(`${site().urls.wiki}/page`);
  await page.getByLabel(field).fill('bob');
  await click(page, /^Continue$/u);
  assert.ok(await page.getByLabel(field).evaluate((input) => !input.validity.valid));
  assert.equal(await page.getByRole('heading', { name: 'Sign in at the provider' }).count(), 0);
});

test('a provider that does not take us for its client is nobody\'s own fault', async () => {
  const page = await (await browser()).newPage();
  assert.equal((await continueAs(page, 'paul@partners.example')).get('client_id'), 'broken');
  await signInAtProvider(page, 'alice');
  await page.getByRole('heading', { name: 'Signing in with Acme partners does not work' }).waitFor();
  assert.ok(page.url().startsWith(site().base), page.url());
  assert.deepEqual(await cookiesNamed(page.context(), '__Host-dws-'), []);
  await look(page, 'error-provider-not-set-up');
  const log = site().doorward.output();
  assert.match(log, /invalid_client/u);
  assert.doesNotMatch(await page.content(), /invalid_client|another secret/u);

  await click(page, 'Sign in another way');
  await control(page, /^Continue with Acme staff/u).waitFor();
});

test('whom a restriction does not let in is told so, and can use another account', async () => {
  const page = await (await browser()).newPage();
  assert.equal((await continueAs(page, 'bob@admins.acme.example')).get('client_id'), 'admins');
  await signInAtProvider(page, 'bob');
  await page.getByRole('heading', { name: 'This account cannot sign in here' }).waitFor();
  assert.deepEqual(await cookiesNamed(page.context(), '__Host-dws-'), []);
  await look(page, 'error-account-refused');
  // Which groups would have opened the door is for the log.
  assert.doesNotMatch(await page.locator('main').innerText(), /admins/u);
  assert.match(site().doorward.output(), /"reason":"[^"]*groups/u);

  await click(page, 'Use another account');
  await look(page, 'sign-in-another-account-by-email');
  await page.getByLabel(field).fill('alice@admins.acme.example');
  await click(page, /^Continue$/u);
  await signInAtProvider(page, 'alice');
  await page.waitForURL(`${site().urls.wiki}/page`);
  assert.equal((await seenByApp(page)).headers['x-auth-request-email'], 'alice@acme.example');
});

test('whose sign-in is too weak is not sent for another account', async () => {
  const page = await (await browser()).newPage();
  assert.equal((await continueAs(page, 'bob@strong.acme.example')).get('client_id'), 'strong');
  await signInAtProvider(page, 'bob');
  await page.getByRole('heading', { name: 'This sign-in is not enough here' }).waitFor();
  assert.deepEqual(await cookiesNamed(page.context(), '__Host-dws-'), []);
  await look(page, 'error-sign-in-too-weak');
  await click(page, 'Sign in again');
  await page.getByLabel(field).waitFor();
});
