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

test('sign in, where there is one provider', async () => {
  const page = await (await browser()).newPage();
  await page.goto(`${stack().urls.solo}/oauth2/login`);
  if (page.url().startsWith(stack().urls.solo)) {
    await look(page, 'sign-in-one-provider');
  }
});

test('refused', async () => {
  const page = await (await browser()).newPage();
  await page.goto(`${stack().urls.board}/`);
  await chooseProvider(page, 'Acme staff');
  await signInAtProvider(page, 'eve');
  await control(page, 'Use another account').waitFor();
  await look(page, 'refused');
  await click(page, 'Use another account');
  await page.waitForLoadState();
  if (page.url().startsWith(stack().urls.acme)) {
    await look(page, 'sign-in-another-account');
  }
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
  await page.getByRole('status').waitFor();
  await look(page, 'sessions-one-ended');

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
  'error-expired': ['acme', '/login/staff/callback?code=x&state=AAAAAAAAAAAAAAAAAAAAAA', 400],
  'error-malformed': ['acme', '/login/staff/callback?code=x', 400],
  'error-no-such-page': ['acme', '/no/such/page', 404],
  'error-no-such-provider': ['acme', '/login/nobody', 404],
  'error-ticket': ['wiki', '/oauth2/callback?ticket=AAAAAAAAAAAAAAAAAAAAAA', 400],
};
for (const [name, [place, path, status]] of Object.entries(faults)) {
  test(name.replaceAll('-', ' '), async () => {
    const page = await (await browser()).newPage();
    const answer = await page.goto(stack().urls[place] + path);
    assert.equal(answer.status(), status);
    await look(page, name);
  });
}

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
  assert.equal(headers['referrer-policy'], 'no-referrer');
});
