// Signing out ends what it says it ends, here, at the other apps and at the provider; and sessions can be seen and ended.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  click, control, cookieHeader, cookiesNamed, eventually, navigation, script, signIn, suite,
} from './support.mjs';

const { stack, browser } = suite('sign-out');

/** Whether the cookies in `cookie` open the app `id`. */
async function opens(id, cookie) {
  const { status } = await stack().request(id, { path: '/page', headers: { ...script, cookie } });
  assert.ok([200, 401].includes(status), String(status));
  return status === 200;
}

test('a person signs out everywhere: the app, the other app, the tenant, the provider', async () => {
  const context = await browser();
  const page = await context.newPage();
  await signIn(page, `${stack().urls.wiki}/`, 'alice');
  await page.goto(`${stack().urls.board}/`);
  const old = {
    wiki: await cookieHeader(context, stack().urls.wiki),
    board: await cookieHeader(context, stack().urls.board),
    acme: await cookieHeader(context, stack().urls.acme),
  };
  assert.ok(await opens('wiki', old.wiki) && await opens('board', old.board));

  await page.goto(`${stack().urls.wiki}/`);
  await click(page, 'Sign out');
  await page.getByRole('button', { name: 'Yes, sign me out' }).click();
  await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
  assert.ok(page.url().startsWith(stack().urls.acme), page.url());
  const words = await page.locator('main').innerText();
  assert.match(words, /every app of Acme/u);
  assert.match(words, /Acme staff/u);

  await eventually('the old cookies are dead', async () => !await opens('wiki', old.wiki) && !await opens('board', old.board), 6_000);
  const sessions = await stack().request('acme', { path: '/sessions', headers: { ...navigation, cookie: old.acme } });
  assert.notEqual(sessions.status, 200);
  assert.deepEqual((await cookiesNamed(context, '__Host-dws-')).map(({ name }) => name), []);

  // Signed out of the provider as well: it asks again.
  await page.goto(`${stack().urls.wiki}/`);
  await control(page, /^Continue with Acme staff/u).click();
  await page.getByRole('heading', { name: 'Sign in at the provider' }).waitFor();
});

test('a person signs out at the tenant\'s own page, which asks first', async () => {
  const context = await browser();
  const page = await context.newPage();
  await signIn(page, `${stack().urls.wiki}/`, 'alice');
  const old = await cookieHeader(context, stack().urls.wiki);
  await page.goto(`${stack().urls.acme}/logout`);
  assert.ok(await opens('wiki', old), 'to open the page is not yet to sign out');
  await click(page, 'Stay signed in');
  assert.ok(await opens('wiki', old));
  await page.goto(`${stack().urls.acme}/logout`);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('button', { name: 'Yes, sign me out' }).click();
  await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
  await eventually('the old cookie is dead', async () => !await opens('wiki', old), 6_000);
});

test('a picture or a script of another site cannot sign a person out', async () => {
  const context = await browser();
  const page = await context.newPage();
  await signIn(page, `${stack().urls.wiki}/`, 'alice');
  const cookie = await cookieHeader(context, stack().urls.wiki);
  for (const [mode, destination] of [['no-cors', 'image'], ['cors', 'empty'], ['no-cors', 'script']]) {
    const answer = await stack().request('wiki', {
      path: '/oauth2/sign_out', headers: { cookie, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': mode, 'sec-fetch-dest': destination },
    });
    assert.equal(answer.status, 403, mode);
  }
  assert.ok(await opens('wiki', cookie));
});

test('after signing out, a person returns to where the app says', async () => {
  const page = await (await browser()).newPage();
  await signIn(page, `${stack().urls.wiki}/`, 'alice');
  const target = `${stack().urls.wiki}/public/bye?a=1&b=2`;
  await page.goto(`${stack().urls.wiki}/oauth2/sign_out?rd=${encodeURIComponent(target)}`);
  await page.getByRole('button', { name: 'Yes, sign me out' }).click();
  await page.waitForURL(target);
});

test('after signing out, nobody is sent to a host that is not ours', async () => {
  const page = await (await browser()).newPage();
  await signIn(page, `${stack().urls.wiki}/`, 'alice');
  await page.goto(`${stack().urls.wiki}/oauth2/sign_out?rd=${encodeURIComponent('https://evil.example/')}`);
  if (page.url().startsWith(stack().provider.issuer)) {
    await page.getByRole('button', { name: 'Yes, sign me out' }).click();
    await page.waitForURL((url) => !url.href.startsWith(stack().provider.issuer));
  }
  assert.match(new URL(page.url()).host, /acme\.localhost/u);
  assert.doesNotMatch(await page.content(), /href="[^"]*evil\.example/u);
});

test('a person signs out in the single-name set-up', async () => {
  const context = await browser();
  const page = await context.newPage();
  await signIn(page, `${stack().urls.solo}/`, 'bob', 'Solo staff');
  const old = await cookieHeader(context, stack().urls.solo);
  await click(page, 'Sign out');
  await page.getByRole('button', { name: 'Yes, sign me out' }).click();
  await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
  assert.ok(page.url().startsWith(`${stack().urls.solo}/oauth2/`), page.url());
  await eventually('the old cookie is dead', async () => !await opens('solo', old), 6_000);
});

test('a person sees their sessions and ends one of them, and then all others', async () => {
  const people = [];
  for (let browsers = 0; browsers < 3; browsers += 1) {
    const context = await browser();
    const page = await context.newPage();
    await signIn(page, `${stack().urls.wiki}/`, 'bob');
    people.push({ page, cookie: await cookieHeader(context, stack().urls.wiki) });
  }
  const [{ page }] = people;
  const open = async () => (await Promise.all(people.map(({ cookie }) => opens('wiki', cookie)))).filter(Boolean).length;
  await page.goto(`${stack().urls.acme}/sessions`);
  await page.getByText('This session').waitFor();
  assert.match(await page.locator('main').innerText(), /Chrom/u, 'the browser is named in words');
  // Sessions of earlier tests, and of other people, must not be here.
  assert.match(await page.getByRole('heading', { name: /^Where you are signed in/u }).innerText(), /\(3\)/u);

  await page.getByRole('button', { name: /^End the session/u }).first().click();
  await eventually('one session ended', async () => await open() === 2, 6_000);
  await page.getByRole('button', { name: 'End all other sessions' }).click();
  await eventually('only this one is left', async () => await open() === 1, 6_000);
  assert.ok(await opens('wiki', people[0].cookie));
});

test('the page of sessions is for people who are signed in', async () => {
  const answer = await stack().request('acme', { path: '/sessions', headers: navigation });
  assert.equal(answer.status, 303);
  assert.equal(answer.location, `${stack().urls.acme}/login`);
});

test('a form of the session page cannot be sent from elsewhere', async () => {
  const context = await browser();
  const page = await context.newPage();
  await signIn(page, `${stack().urls.wiki}/`, 'uma');
  await page.goto(`${stack().urls.acme}/sessions`);
  const action = await page.evaluate(() => document.querySelector('form[method=post]')?.action ?? `${location.origin}/logout`);
  const answer = await stack().request('acme', {
    path: new URL(action).pathname, method: 'POST', body: 'csrf=wrong',
    headers: {
      cookie: await cookieHeader(context, stack().urls.acme), 'content-type': 'application/x-www-form-urlencoded',
      origin: 'http://evil.localhost', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document',
    },
  });
  assert.ok(answer.status >= 400 && answer.status < 500, String(answer.status));
  assert.ok(await opens('wiki', await cookieHeader(context, stack().urls.wiki)));
});
