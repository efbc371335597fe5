// What somebody sends who is up to no good: through the real nginx, to the real broker. Nothing may come through to an
// app that would not have come through without it.
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import {
  accounts, cookieHeader, cookiesNamed, navigation, rawStatus, script, seenByApp, signIn, suite,
} from './support.mjs';
import { forgedTargets } from './support/attacks.mjs';

const { stack, browser } = suite('forged');
const reached = () => Object.values(stack().apps).flatMap(({ requests }) => requests);

beforeEach(() => {
  for (const { requests } of Object.values(stack().apps)) {
    requests.length = 0;
  }
});

test('t28_forged_target_headers_open_nothing_to_a_stranger', async () => {
  for (const headers of forgedTargets(stack())) {
    for (const [path, status] of [['/page', 401], ['/admin', 401], ['/oauth2/../page', 403]]) {
      const answer = await stack().request('wiki', { path, headers: { ...script, ...headers } });
      assert.equal(answer.status, status, `${path} with ${JSON.stringify(headers)}`);
    }
  }
  assert.deepEqual(reached(), []);
});

test('t28_forged_target_headers_open_nothing_to_somebody_who_may_not', async () => {
  const context = await browser();
  const page = await context.newPage();
  await signIn(page, `${stack().urls.wiki}/`, 'bob');
  const cookie = await cookieHeader(context, stack().urls.wiki);
  stack().apps.wiki.requests.length = 0;
  for (const headers of forgedTargets(stack())) {
    const answer = await stack().request('wiki', { path: '/admin', headers: { ...script, ...headers, cookie } });
    assert.equal(answer.status, 403, JSON.stringify(headers));
  }
  assert.deepEqual(reached(), []);
});

test('t29_a_method_is_judged_as_it_was_sent', async () => {
  const context = await browser();
  const page = await context.newPage();
  await signIn(page, `${stack().urls.wiki}/`, 'bob');
  const cookie = await cookieHeader(context, stack().urls.wiki);
  const ask = (method, headers = {}) => stack().request('wiki', { path: '/page', method, headers: { ...script, cookie, ...headers } });
  assert.equal((await ask('POST')).status, 200);
  assert.equal((await ask('DELETE')).status, 403);
  assert.equal((await ask('DELETE', { 'X-Original-Method': 'GET', 'X-Forwarded-Method': 'GET' })).status, 403);
});

test('an ambiguous path is refused, whatever it would mean', async () => {
  const context = await browser();
  const page = await context.newPage();
  await signIn(page, `${stack().urls.wiki}/`, 'bob');
  const cookie = await cookieHeader(context, stack().urls.wiki);
  stack().apps.wiki.requests.length = 0;
  for (const path of ['/public/../admin', '/public/%2e%2e/admin', '/x/..%2fadmin', '/public%2f..%2fadmin', '/%61dmin', '//admin', '/admin;x=1', '/public/..;/admin']) {
    const answer = await stack().request('wiki', { path, headers: { ...script, cookie } });
    assert.ok(answer.status >= 400 && answer.status < 500, `${path}: ${answer.status}`);
  }
  assert.deepEqual(reached(), []);
});

test('the check cannot be asked from a browser', async () => {
  const context = await browser();
  const page = await context.newPage();
  await signIn(page, `${stack().urls.wiki}/`, 'alice');
  for (const path of ['/oauth2/auth', '/oauth2/auth?x=1', '/oauth2/auth/', '/oauth2//auth', '/oauth2/%61uth']) {
    const status = await page.evaluate(async (address) => (await fetch(address)).status, path);
    assert.equal(status, 404, path);
  }
  // Our own pages may not ask anything, so these are opened.
  for (const path of ['/oauth2/auth', '/api/authz/auth-request', '/api/authz/forward-auth', '/api/authz/ext-authz/']) {
    assert.equal((await page.goto(stack().urls.acme + path)).status(), 404, path);
  }
  await page.goto(`${stack().urls.solo}/`);
  assert.equal((await seenByApp(page)).headers['x-auth-request-email'], accounts.alice.email);
  assert.equal(await page.evaluate(async () => (await fetch('/oauth2/auth')).status), 404);
});

test('an identity that the client claims does not survive', async () => {
  const claims = {
    'X-Auth-Request-User': 'root', 'X-Auth-Request-Email': 'root@acme.example', 'X-Auth-Request-Preferred-Username': 'root',
    'X-Auth-Request-Groups': 'admins', 'x-auth-request-USER': 'root', X_Auth_Request_User: 'root',
  };
  await stack().request('wiki', { path: '/public/', headers: claims });
  assert.equal(reached().length, 1);
  assert.doesNotMatch(JSON.stringify(reached()), /root|admins/u, 'a public path');

  const context = await browser();
  const page = await context.newPage();
  await signIn(page, `${stack().urls.wiki}/`, 'uma');
  stack().apps.wiki.requests.length = 0;
  const cookie = await cookieHeader(context, stack().urls.wiki);
  await stack().request('wiki', { path: '/page', headers: { ...script, ...claims, cookie } });
  assert.equal(reached().length, 1);
  assert.doesNotMatch(JSON.stringify(reached()), /root|admins/u, 'a person without a confirmed address');
});

test('our cookies do not reach the app, its own do', async () => {
  const context = await browser();
  const page = await context.newPage();
  await signIn(page, `${stack().urls.wiki}/`, 'alice');
  await page.goto(`${stack().urls.wiki}/again`);
  const { headers } = await seenByApp(page);
  assert.equal(headers.cookie, 'wiki-own=1');
  assert.doesNotMatch(JSON.stringify(reached()), /__Host-dw|__Secure-dw/u);

  const cookie = await cookieHeader(context, stack().urls.wiki);
  const ask = async (path, value) => {
    stack().apps.wiki.requests.length = 0;
    assert.equal((await stack().request('wiki', { path, headers: { ...script, cookie: value } })).status, 200);
    return reached()[0].headers.cookie;
  };
  assert.equal(await ask('/public/', `a=1; ${cookie}; b=2`), 'a=1; wiki-own=1; b=2', 'a public path');
  assert.equal(await ask('/page', (await cookiesNamed(context, '__Host-dwa')).map(({ name, value }) => `${name}=${value}`).join('; ')), undefined);
});

test('t08_a_cookie_sent_twice_is_none', async () => {
  const context = await browser();
  const page = await context.newPage();
  await signIn(page, `${stack().urls.wiki}/`, 'alice');
  const [{ name, value }] = await cookiesNamed(context, '__Host-dwa');
  const answer = await stack().request('wiki', { path: '/page', headers: { ...script, cookie: `${name}=${value}; ${name}=${value}` } });
  assert.equal(answer.status, 401);
});

test('the cookie of one app is worth nothing at another', async () => {
  const context = await browser();
  const page = await context.newPage();
  await signIn(page, `${stack().urls.wiki}/`, 'alice');
  const [{ name, value }] = await cookiesNamed(context, '__Host-dwa');
  const answer = await stack().request('board', { path: '/', headers: { ...script, cookie: `${name}=${value}` } });
  assert.equal(answer.status, 401);
});

test('a host in the request line is the one that is judged', async () => {
  const { status } = await rawStatus(stack().ports.proxy, `GET ${stack().urls.wiki}/admin HTTP/1.1\r\nHost: ${stack().hosts.board}\r\n`
    + 'Accept: */*\r\nConnection: close\r\n\r\n');
  assert.equal(status, 401);
  assert.deepEqual(reached(), []);
});

test('t24_a_ticket_is_worth_nothing_in_another_browser', async () => {
  const context = await browser();
  await signIn(await context.newPage(), `${stack().urls.wiki}/`, 'alice');
  // Step by step, as her browser would go on to the second app: up to the ticket, which is not redeemed.
  const opened = await stack().request('board', { path: '/cards', headers: navigation });
  const asking = new URL(opened.location);
  assert.equal(asking.origin, stack().urls.acme);
  const asked = await stack().request('acme', {
    path: asking.pathname + asking.search, headers: { ...navigation, cookie: await cookieHeader(context, stack().urls.acme) },
  });
  const ticket = new URL(asked.location);
  assert.equal(ticket.origin, stack().urls.board);
  assert.ok(ticket.searchParams.get('ticket'), 'a ticket is on its way');
  const redeem = (cookie) => stack().request('board', { path: ticket.pathname + ticket.search, headers: { ...navigation, ...cookie } });
  const entered = ({ cookies }) => cookies.some((cookie) => cookie.startsWith('__Host-dwa=') && !/max-age=0/iu.test(cookie));

  // Another browser, with nothing, and with the binding of a sign-in of its own.
  const own = await stack().request('board', { path: '/cards', headers: navigation });
  for (const cookie of [{}, { cookie: own.cookies[0].split(';')[0] }]) {
    const stolen = await redeem(cookie);
    assert.equal(stolen.status, 400);
    assert.ok(!entered(stolen));
  }
  // The thief has not used it up, and its owner can use it once.
  const owner = { cookie: opened.cookies[0].split(';')[0] };
  const first = await redeem(owner);
  assert.equal(first.status, 303);
  assert.equal(first.location, `${stack().urls.board}/cards`);
  assert.ok(entered(first));
  const second = await redeem(owner);
  assert.equal(second.status, 400);
  assert.ok(!entered(second));
});

test('a return to somebody else\'s host is not taken', async () => {
  for (const target of ['https://evil.example/', '//evil.example/', 'http://wiki.acme.localhost.evil.example/', 'javascript:alert(1)']) {
    const context = await browser();
    const page = await context.newPage();
    await page.goto(`${stack().urls.wiki}/oauth2/sign_in?rd=${encodeURIComponent(target)}`);
    await page.waitForLoadState();
    assert.match(page.url(), /localhost|127\.0\.0\.1/u);
    assert.doesNotMatch(await page.content(), /href="[^"]*evil\.example/u);
    await context.close();
  }
});

test('a host that is nobody\'s app is refused, not led to a login', async () => {
  // Past nginx, as somebody inside could: the broker must not depend on the proxy for this.
  const { request } = await import('./support.mjs');
  const answer = await request({
    port: stack().ports.doorward, host: 'unknown.localhost', path: '/oauth2/auth',
    headers: { 'X-Original-URL': 'http://unknown.localhost/', 'X-Original-Method': 'GET' },
  });
  assert.equal(answer.status, 403);
});

test('identity is the broker\'s own word', async () => {
  const context = await browser();
  const page = await context.newPage();
  const { headers } = await signIn(page, `${stack().urls.wiki}/admin`, 'alice');
  assert.equal(headers['x-auth-request-groups'], accounts.alice.groups.join(','));
});
