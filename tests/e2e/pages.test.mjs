// Every page that a person can meet: can everybody use it, and how does it look. The pictures are for looking at; where
// they go, see README.md.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { chooseProvider, click, control, look, screenshotFolder, signIn, signInAtProvider, suite } from './support.mjs';

const { stack, browser } = suite('pages');

test('sign in', async (t) => {
  t.diagnostic(`pictures: ${screenshotFolder()}`);
  const page = await (await browser()).newPage();
  await page.goto(`${stack().urls.wiki}/page`);
  await control(page, /^Continue with Acme staff/u).waitFor();
  await look(page, 'sign-in');
});

test('where there is one provider, nobody is asked to choose', async () => {
  const page = await (await browser()).newPage();
  await page.goto(`${stack().urls.solo}/oauth2/login`);
  await page.getByRole('heading', { name: 'Sign in at the provider' }).waitFor();
});

test('refused', async () => {
  const page = await (await browser()).newPage();
  await page.goto(`${stack().urls.board}/`);
  await chooseProvider(page, 'Acme staff');
  await signInAtProvider(page, 'eve');
  await control(page, 'Use another account').waitFor();
  await look(page, 'refused');
  await click(page, 'Use another account');
  await control(page, /^Continue with Acme partners/u).waitFor();
  await look(page, 'sign-in-another-account');
});

test('sessions, and signing out', async () => {
  for (let others = 0; others < 2; others += 1) {
    await signIn(await (await browser()).newPage(), `${stack().urls.wiki}/`, 'alice');
  }
  const page = await (await browser()).newPage();
  await signIn(page, `${stack().urls.wiki}/`, 'alice');
  await page.goto(`${stack().urls.acme}/sessions`);
  await page.getByText('This session').waitFor();
  await look(page, 'sessions');
  await page.getByRole('button', { name: /^End the session/u }).first().click();
  await page.getByRole('status').filter({ hasText: 'The session has ended.' }).waitFor();
  await look(page, 'sessions-one-ended');
  await page.getByRole('button', { name: 'End all other sessions' }).click();
  await page.getByRole('status').filter({ hasText: 'All other sessions have ended.' }).waitFor();
  await look(page, 'sessions-others-ended');

  await click(page, 'Sign out');
  await page.getByRole('heading', { name: /^Sign out of Acme/u }).waitFor();
  await look(page, 'sign-out');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('button', { name: 'Yes, sign me out' }).click();
  await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
  await look(page, 'signed-out');
});

test('signed out without having been signed in', async () => {
  const page = await (await browser()).newPage();
  await page.goto(`${stack().urls.acme}/logout`);
  await look(page, 'not-signed-in');
});

const faults = {
  'error-malformed': ['acme', '/login/staff/callback?code=x', 400],
  'error-no-such-page': ['acme', '/no/such/page', 404],
  'error-no-such-provider': ['acme', '/login/nobody', 404],
  'error-ticket': ['wiki', '/oauth2/callback?ticket=AAAAAAAAAAAAAAAAAAAAAA', 400],
  'error-return-target': ['wiki', '/oauth2/sign_in?rd=https%3A%2F%2Fevil.example%2F', 400],
  'error-no-such-page-on-an-app-host': ['wiki', '/oauth2/no-such-page', 404],
};
for (const [name, [place, path, status]] of Object.entries(faults)) {
  test(name.replaceAll('-', ' '), async () => {
    const page = await (await browser()).newPage();
    const answer = await page.goto(stack().urls[place] + path);
    assert.equal(answer.status(), status);
    await look(page, name);
  });
}

test('error: a login that is over', async () => {
  const page = await (await browser()).newPage();
  await page.goto(`${stack().urls.wiki}/page`);
  await chooseProvider(page, 'Acme staff');
  const answered = page.waitForResponse((response) => response.url().includes('/login/staff/callback'));
  await signInAtProvider(page, 'alice');
  const used = (await answered).url();
  await page.waitForURL(`${stack().urls.wiki}/page`);
  const again = await page.goto(used);
  assert.equal(again.status(), 400);
  await look(page, 'error-expired');
});

test('error: a host that is nobody\'s', async () => {
  const page = await (await browser()).newPage();
  const answer = await page.goto(`http://nobody.localhost:${stack().ports.doorward}/login`);
  assert.equal(answer.status(), 421);
  await look(page, 'error-unknown-host');
});

test('error: the browser refuses cookies', async () => {
  const context = await browser();
  const page = await context.newPage();
  await page.goto(`${stack().urls.wiki}/page`);
  await chooseProvider(page, 'Acme staff');
  await context.clearCookies({ domain: 'acme.localhost' });
  await signInAtProvider(page, 'alice');
  await page.waitForURL((url) => url.host === stack().hosts.acme);
  assert.match(await page.locator('main').innerText(), /cookies/iu);
  await look(page, 'error-cookies-refused');
});

test('error: a form whose session is over', async () => {
  // With one provider: a redirect to the sign-in would lead to another host, which browsers refuse after a form.
  const context = await browser();
  const page = await context.newPage();
  await signIn(page, `${stack().urls.solo}/`, 'alice', 'Solo staff');
  const other = await (await browser()).newPage();
  await signIn(other, `${stack().urls.solo}/`, 'alice', 'Solo staff');
  await page.goto(`${stack().urls.solo}/oauth2/sessions`);
  await other.goto(`${stack().urls.solo}/oauth2/sessions`);
  await other.getByRole('button', { name: 'End all other sessions' }).click();
  await other.getByRole('status').waitFor();
  await page.getByRole('button', { name: /^End the session/u }).first().click();
  await page.getByRole('heading', { name: 'This form has expired' }).waitFor();
  await look(page, 'error-form-expired');
});

test('error: the provider said no', async () => {
  const page = await (await browser()).newPage();
  await page.goto(`${stack().urls.wiki}/page`);
  await chooseProvider(page, 'Acme staff');
  await page.getByRole('button', { name: 'Refuse' }).click();
  await page.waitForURL((url) => url.host === stack().hosts.acme);
  await look(page, 'error-provider-said-no');
});

test('error: the provider is down', async () => {
  const page = await (await browser()).newPage();
  await stack().provider.stop();
  try {
    await stack().restartDoorward();
    await page.goto(`${stack().urls.wiki}/page`);
    await control(page, /^Continue with Acme staff/u).click();
    await control(page, /again/iu).waitFor();
    await look(page, 'error-provider-down');
  } finally {
    await stack().provider.start();
    // With nothing in its memory of a provider that failed, which it would leave in peace for a while.
    await stack().restartDoorward();
  }
});

test('every page can be used with the keyboard alone', async () => {
  const page = await (await browser()).newPage();
  await page.goto(`${stack().urls.wiki}/page`);
  await control(page, /^Continue with Acme staff/u).waitFor();
  await page.keyboard.press('Tab');
  const focused = await page.evaluate(() => {
    const element = document.activeElement;
    const style = getComputedStyle(element);
    return { text: element.textContent, outline: style.outlineStyle, width: Number.parseFloat(style.outlineWidth) };
  });
  assert.match(focused.text, /Continue with/u);
  assert.notEqual(focused.outline, 'none');
  assert.ok(focused.width >= 2, `the ring is ${focused.width} px`);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Sign in at the provider' }).waitFor();
});

test('nothing is fetched from outside, and no page can be framed', async () => {
  const context = await browser();
  const page = await context.newPage();
  const hosts = new Set();
  page.on('request', (request) => hosts.add(new URL(request.url()).host));
  const answer = await page.goto(`${stack().urls.acme}/login`);
  assert.deepEqual([...hosts], [stack().hosts.acme]);
  const headers = await answer.allHeaders();
  assert.match(headers['content-security-policy'], /default-src 'none'/u);
  assert.match(headers['content-security-policy'], /frame-ancestors 'none'/u);
  assert.equal(headers['cache-control'], 'no-store');
  assert.equal(headers['x-content-type-options'], 'nosniff');
  // Nothing to other hosts; `no-referrer` would make the browser send `Origin: null` with our own forms.
  assert.equal(headers['referrer-policy'], 'same-origin');
  assert.equal(await page.locator('meta[name=referrer]').count(), 0, 'no page says otherwise');
});
