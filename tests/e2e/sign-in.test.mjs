// People sign in and reach what they came for, through nginx, with a real provider and a real browser.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  accounts, chooseProvider, click, control, cookieHeader, cookiesNamed, navigation, script, seenByApp, signIn, signInAtProvider, suite,
} from './support.mjs';

const { stack, browser } = suite('sign-in');

test('a person signs in and reaches the app, which is told who it is', async () => {
  const context = await browser();
  const page = await context.newPage();
  const address = `${stack().urls.wiki}/page?a=1&b=2`;
  await page.goto(address);
  await page.getByRole('heading', { name: 'Sign in to Acme' }).waitFor();
  assert.match(await page.locator('main').innerText(), /wiki\.acme\.localhost/u, 'the page says where one is going');
  await chooseProvider(page, 'Acme staff');
  await signInAtProvider(page, 'alice');
  await page.waitForURL((url) => url.href.startsWith(`${stack().urls.wiki}/page`));
  assert.equal(page.url(), address, 'the query is kept');

  const { headers } = await seenByApp(page);
  assert.equal(headers['x-auth-request-email'], accounts.alice.email);
  assert.equal(headers['x-auth-request-preferred-username'], 'alice');
  assert.equal(headers['x-auth-request-groups'], 'admins,staff');
  assert.ok(headers['x-auth-request-user']);
  assert.notEqual(headers['x-auth-request-user'], 'alice', 'the provider\'s own name for a person is not ours');
});

test('a second app on another host opens without a second login', async () => {
  const context = await browser();
  const page = await context.newPage();
  const first = await signIn(page, `${stack().urls.wiki}/`, 'alice');
  const before = stack().provider.seen.length;
  await page.goto(`${stack().urls.board}/cards?a=1&b=2#part`);
  // No page stood in between, so the browser has carried the fragment along.
  assert.equal(page.url(), `${stack().urls.board}/cards?a=1&b=2#part`);
  const second = await seenByApp(page);
  assert.equal(second.headers['x-auth-request-user'], first.headers['x-auth-request-user']);
  assert.equal(stack().provider.seen.length, before, 'the provider was not asked again');
});

test('login and app can share one host', async () => {
  const context = await browser();
  const page = await context.newPage();
  const address = `${stack().urls.solo}/notes?x=1&y=2`;
  await page.goto(address);
  await chooseProvider(page, 'Solo staff');
  await signInAtProvider(page, 'bob');
  await page.waitForURL(address);
  const { headers } = await seenByApp(page);
  assert.equal(headers['x-auth-request-email'], accounts.bob.email);
  const hosts = (await cookiesNamed(context, '__Host-dw')).map(({ domain }) => domain);
  assert.deepEqual([...new Set(hosts)], ['solo.localhost']);
});

test('two tenants do not share a session', async () => {
  const context = await browser();
  const page = await context.newPage();
  await signIn(page, `${stack().urls.wiki}/`, 'alice');
  const foreign = await cookieHeader(context, stack().urls.wiki);
  const answer = await stack().request('solo', { headers: { ...script, cookie: foreign } });
  assert.equal(answer.status, 401);
});

test('everything works without script', async () => {
  const context = await browser({ javaScriptEnabled: false });
  const page = await context.newPage();
  const { headers } = await signIn(page, `${stack().urls.wiki}/page`, 'bob');
  assert.equal(headers['x-auth-request-email'], accounts.bob.email);
});

test('a refused person is told so and switches account', async () => {
  const context = await browser();
  const page = await context.newPage();
  const address = `${stack().urls.board}/cards`;
  await page.goto(address);
  await chooseProvider(page, 'Acme staff');
  await signInAtProvider(page, 'eve');
  await page.getByRole('heading', { name: 'Your account cannot open Board' }).waitFor();
  const words = await page.locator('main').innerText();
  assert.match(words, /it@acme\.example/u, 'somebody to ask is named');
  assert.doesNotMatch(words, /acme\.example may/u, 'the list of domains is not told');
  const before = stack().apps.board.requests.length;
  assert.equal(before, stack().apps.board.requests.filter(({ headers }) => headers['x-auth-request-email'] !== accounts.eve.email).length);

  await click(page, 'Use another account');
  await chooseProvider(page, 'Acme staff');
  await signInAtProvider(page, 'bob');
  await page.waitForURL(address);
  assert.equal((await seenByApp(page)).headers['x-auth-request-email'], accounts.bob.email);
});

test('a refused person is not led in a circle', async () => {
  const context = await browser();
  const page = await context.newPage();
  await signIn(page, `${stack().urls.wiki}/`, 'bob');
  const before = stack().provider.seen.length;
  const answer = await page.goto(`${stack().urls.wiki}/admin/users`);
  await page.getByRole('heading', { name: 'Your account cannot open Wiki' }).waitFor();
  assert.equal(answer.status(), 403);
  assert.equal(stack().provider.seen.length, before);
});

test('an address that nobody confirmed is not passed on and opens nothing', async () => {
  const context = await browser();
  const page = await context.newPage();
  const { headers } = await signIn(page, `${stack().urls.wiki}/`, 'uma');
  assert.equal(headers['x-auth-request-email'], undefined);
  assert.equal(headers['x-auth-request-preferred-username'], 'uma');
  await page.goto(`${stack().urls.board}/`);
  await page.getByRole('heading', { name: 'Your account cannot open Board' }).waitFor();
});

test('a person who says no at the provider gets a page and can go on', async () => {
  const context = await browser();
  const page = await context.newPage();
  const address = `${stack().urls.wiki}/page`;
  await page.goto(address);
  await chooseProvider(page, 'Acme staff');
  await page.getByRole('button', { name: 'Refuse' }).click();
  await page.waitForURL((url) => url.host === stack().hosts.acme);
  assert.doesNotMatch(await page.locator('body').innerText(), /the person said no/u, 'the provider\'s own words are not shown');
  assert.deepEqual(await cookiesNamed(context, '__Host-dws-'), []);
  await control(page, /again|Continue with Acme staff/iu).click();
  await chooseProvider(page, 'Acme staff');
  await signInAtProvider(page, 'alice');
  await page.waitForURL(address);
});

const tabs = {
  'twenty tabs on one address, opened at once in a fresh browser, all sign in, and no cookie is left over': ['wiki', 'acme', 'Acme staff'],
  'twenty tabs on one address all sign in in the single-name set-up, where no page stands between app and provider': ['solo', 'solo', 'Solo staff'],
};
for (const [name, [app, tenant, provider]] of Object.entries(tabs)) {
  test(name, async () => {
    const context = await browser();
    context.setDefaultTimeout(60_000);
    const address = `${stack().urls[app]}/page?a=1`;
    const pages = await Promise.all(Array.from({ length: 20 }, () => context.newPage()));
    await Promise.all(pages.map((page) => page.goto(address)));
    await Promise.all(pages.map(async (page) => {
      await chooseProvider(page, provider);
      await page.getByRole('heading', { name: 'Sign in at the provider' }).waitFor();
    }));
    const waiting = await cookiesNamed(context, '__Host-dwl-');
    assert.equal(waiting.length, 20, 'each attempt has a cookie of its own');
    for (const host of [app, tenant]) {
      assert.ok((await cookieHeader(context, stack().urls[host])).length < 4096, `all of them fit into a request to ${host}`);
    }

    await Promise.all(pages.map(async (page) => {
      await signInAtProvider(page, 'alice');
      await page.waitForURL(address);
      assert.equal((await seenByApp(page)).headers['x-auth-request-email'], accounts.alice.email);
    }));
    assert.deepEqual((await cookiesNamed(context, '__Host-dwl-')).map((cookie) => cookie.name), []);
    assert.deepEqual((await cookiesNamed(context, '__Host-dwt-')).map((cookie) => cookie.name), []);
    assert.equal((await cookiesNamed(context, '__Host-dws-')).length, 1);
    assert.equal((await cookiesNamed(context, '__Host-dwa')).length, 1);
  });
}

test('logins that are begun and never ended do not pile up cookies', async () => {
  const context = await browser();
  const page = await context.newPage();
  for (let round = 0; round < 30; round += 1) {
    await page.goto(`${stack().urls.wiki}/page?round=${round}`);
    await chooseProvider(page, 'Acme staff');
    await page.getByRole('heading', { name: 'Sign in at the provider' }).waitFor();
  }
  for (const prefix of ['__Host-dwl-', '__Host-dwt-']) {
    const count = (await cookiesNamed(context, prefix)).length;
    assert.ok(count <= 24, `${count} of ${prefix}`);
  }
  await signInAtProvider(page, 'alice');
  await page.waitForURL(`${stack().urls.wiki}/page?round=29`);
});

test('cookies are host-only, hidden from script, and only for a secure way', async () => {
  const context = await browser();
  const page = await context.newPage();
  await signIn(page, `${stack().urls.wiki}/`, 'alice');
  const ours = await cookiesNamed(context, '__Host-dw');
  const expected = ['__Host-dwa wiki.acme.localhost', '__Host-dwp-acme acme.localhost', '__Host-dws-acme acme.localhost'];
  assert.deepEqual(ours.map(({ name, domain }) => `${name} ${domain}`).sort(), expected);
  for (const { name, secure, httpOnly, sameSite, path } of ours) {
    assert.deepEqual({ secure, httpOnly, sameSite, path }, { secure: true, httpOnly: true, sameSite: 'Lax', path: '/' }, name);
  }
});

test('a form sent without a session leads to the sign-in, a form sent by script does not', async () => {
  const form = { method: 'POST', body: 'a=1', headers: { ...navigation, 'content-type': 'application/x-www-form-urlencoded' } };
  const before = stack().apps.wiki.requests.length;
  const person = await stack().request('wiki', { path: '/save', ...form });
  assert.ok([302, 303].includes(person.status), String(person.status));
  assert.ok(person.location.startsWith(`${stack().urls.acme}/login`), person.location);

  const byScript = await stack().request('wiki', { path: '/save', ...form, headers: { ...script, 'content-type': 'application/json' } });
  assert.equal(byScript.status, 401);
  assert.equal(stack().apps.wiki.requests.length, before);
});

test('t30_background_calls_get_401_and_no_cookie_and_the_waiting_login_completes', async () => {
  const context = await browser();
  const page = await context.newPage();
  const address = `${stack().urls.wiki}/page`;
  await page.goto(address);
  await chooseProvider(page, 'Acme staff');
  await page.getByRole('heading', { name: 'Sign in at the provider' }).waitFor();
  const cookie = await cookieHeader(context, stack().urls.wiki);
  for (let call = 0; call < 50; call += 1) {
    const answer = await stack().request('wiki', { path: '/data', headers: { ...script, cookie } });
    assert.equal(answer.status, 401);
    assert.deepEqual(answer.cookies, []);
    assert.equal(answer.location, undefined);
  }
  await signInAtProvider(page, 'alice');
  await page.waitForURL(address);
});

test('a public path needs no session, and its neighbours do', async () => {
  assert.equal((await stack().request('wiki', { path: '/public/logo.svg' })).status, 200);
  assert.equal((await stack().request('wiki', { path: '/publicity', headers: script })).status, 401);
});

test('who I am can be asked on the app\'s host', async () => {
  const context = await browser();
  const page = await context.newPage();
  await signIn(page, `${stack().urls.wiki}/`, 'alice');
  const cookie = await cookieHeader(context, stack().urls.wiki);
  const answer = await stack().request('wiki', { path: '/oauth2/userinfo', headers: { ...script, cookie } });
  assert.equal(answer.status, 200);
  assert.equal(answer.json().email, accounts.alice.email);
  assert.equal((await stack().request('wiki', { path: '/oauth2/userinfo', headers: script })).status, 401);
});
