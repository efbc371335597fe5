// What an operator counts on: an orderly end, a start without the provider, sessions that outlive both.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  chooseProvider, control, cookieHeader, eventually, freshBrowser, navigation, request, script, signIn, signInAtProvider, startStack,
  suite,
} from './support.mjs';

const { stack, browser } = suite('operations');
const operations = (path) => request({ port: stack().ports.operations, path });

test('it says that it lives, that it is ready, and what it did', async () => {
  assert.equal((await operations('/healthz')).status, 200);
  assert.equal((await operations('/readyz')).status, 200);
  const metrics = await operations('/metrics');
  assert.equal(metrics.status, 200);
  assert.match(metrics.text, /^doorward_/mu);
});

test('SIGTERM lets a login that is under way end, then ends with status 0', async () => {
  const context = await browser();
  const page = await context.newPage();
  await page.goto(`${stack().urls.wiki}/page`);
  await chooseProvider(page, 'Acme staff');
  const token = stack().provider.hold('/token');
  let ended = false;
  const { doorward } = stack();
  const callback = page.waitForResponse((response) => response.url().includes('/login/staff/callback'));
  const clicked = signInAtProvider(page, 'alice').catch(() => undefined);
  await token.reached;
  const stopped = doorward.stop('SIGTERM').then((end) => { ended = true; return end; });
  // New connections are no longer taken; the one that waits for the provider is.
  await assert.rejects(async () => {
    for (;;) {
      await request({ port: stack().ports.doorward, path: '/oauth2/sign_in', host: stack().hosts.wiki });
    }
  });
  assert.equal(ended, false, 'it waits for the login');
  token.open();
  const answer = await callback;
  assert.equal(answer.status(), 303);
  assert.match((await answer.allHeaders())['set-cookie'] ?? '', /__Host-dws-acme=/u);
  assert.deepEqual(await stopped, { code: 0, signal: null });
  await clicked;

  await stack().startDoorward();
  await page.goto(`${stack().urls.wiki}/page`);
  assert.equal(page.url(), `${stack().urls.wiki}/page`, 'the session was kept');
});

test('sessions outlive a restart', async () => {
  const context = await browser();
  const page = await context.newPage();
  await signIn(page, `${stack().urls.wiki}/`, 'alice');
  const cookie = await cookieHeader(context, stack().urls.wiki);
  await stack().restartDoorward();
  assert.equal((await stack().request('wiki', { path: '/page', headers: { ...script, cookie } })).status, 200);
});

test('while the broker is down, nobody comes in', async () => {
  const context = await browser();
  const page = await context.newPage();
  await signIn(page, `${stack().urls.wiki}/`, 'alice');
  const cookie = await cookieHeader(context, stack().urls.wiki);
  await stack().doorward.stop();
  try {
    stack().apps.wiki.requests.length = 0;
    const answer = await stack().request('wiki', { path: '/page', headers: { ...navigation, cookie } });
    assert.equal(answer.status, 503);
    assert.deepEqual(stack().apps.wiki.requests, []);
  } finally {
    await stack().startDoorward();
  }
});

test('a provider that is down does not end sessions, and a login says what is wrong', async () => {
  const context = await browser();
  const page = await context.newPage();
  await signIn(page, `${stack().urls.wiki}/`, 'alice');
  const cookie = await cookieHeader(context, stack().urls.wiki);
  await stack().provider.stop();
  try {
    assert.equal((await stack().request('wiki', { path: '/page', headers: { ...script, cookie } })).status, 200);
    await page.goto(`${stack().urls.board}/`);
    assert.equal(page.url(), `${stack().urls.board}/`, 'a second app opens too');
    // Restarted without the provider, and with nothing in memory.
    await stack().restartDoorward();
    assert.equal((await operations('/readyz')).status, 200);
    assert.equal((await stack().request('wiki', { path: '/page', headers: { ...script, cookie } })).status, 200);

    const stranger = await (await browser()).newPage();
    await stranger.goto(`${stack().urls.wiki}/page`);
    const link = control(stranger, /^Continue with Acme staff/u);
    const [answer] = await Promise.all([
      stranger.waitForResponse((response) => response.url().includes('/login/staff')),
      link.click(),
    ]);
    assert.ok(answer.status() >= 500, String(answer.status()));
    await control(stranger, /again/iu).waitFor();
  } finally {
    await stack().provider.start();
  }
});

test('it starts while the provider is down, and people sign in once it is back', async () => {
  const other = await startStack('provider-down', { providerDown: true });
  let failed = true;
  try {
    const page = await (await freshBrowser(other.browser)).newPage();
    await page.goto(`${other.urls.wiki}/page`);
    await control(page, /^Continue with Acme staff/u).click();
    await control(page, /again/iu).waitFor();
    await other.provider.start();
    // A provider that failed is left in peace for some seconds: until then, the same page answers.
    await eventually('a person who tries again gets to the provider', async () => {
      const answered = page.waitForResponse((response) => response.url().includes('/login/staff') && response.status() !== 200);
      await control(page, /again/iu).click();
      return (await answered).status() === 303;
    }, 30_000);
    await signInAtProvider(page, 'alice');
    await page.waitForURL(`${other.urls.wiki}/page`);
    failed = false;
  } finally {
    await other.stop(failed);
  }
});

test('t17_nothing_secret_is_in_the_log', async () => {
  const context = await browser();
  const page = await context.newPage();
  await signIn(page, `${stack().urls.wiki}/page?token=canary-in-query`, 'alice');
  const log = stack().doorward.output();
  // Which provider was used last is no secret.
  const cookies = (await context.cookies()).filter(({ name }) => name.startsWith('__Host-dw') && !name.startsWith('__Host-dwp-'));
  for (const secret of [...cookies.map(({ value }) => value), ...Object.values(stack().env), 'canary-in-query']) {
    assert.ok(!log.includes(secret), `the log has ${secret}`);
  }
  for (const line of log.trim().split('\n').filter((each) => each.startsWith('{'))) {
    JSON.parse(line);
  }
  assert.match(log, /"request_id"/u);
});
