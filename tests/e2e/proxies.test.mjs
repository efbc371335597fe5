// Every proxy that the documentation has a recipe for, with that very recipe: the same people, the same attacks, the same
// answers. What one proxy cannot do stands in its page, and here in the table of exceptions.
import assert from 'node:assert/strict';
import { before, beforeEach, describe, test } from 'node:test';

import {
  accounts, click, cookieHeader, cookiesNamed, eventually, freshBrowser, navigation, rawStatus, script, seenByApp, signIn, suite,
} from './support.mjs';
import {
  aliasesOf, disguisedPaths, foreignTargets, forgedTargets, garbageCookies, malformedAddresses, malformedRequests,
  probes,
} from './support/attacks.mjs';
import * as proxies from './support/proxies/index.mjs';

const { stack, browser } = suite('proxies');
const requests = () => Object.values(stack().apps).flatMap((app) => app.requests);
const ask = (path, options) => stack().request('wiki', { path, ...options });

/** `headers` with those of a script, where they do not say otherwise. */
const byScript = (headers = {}) => ({ ...script, ...headers });

/** What the app `seen` would read the header `name` as, however it is spelt: a list, empty where there is none. */
function readAs(name, seen) {
  const values = [];
  for (let index = 0; index < seen.rawHeaders.length; index += 2) {
    if (seen.rawHeaders[index].toLowerCase().replaceAll(/[^a-z0-9]/gu, '-') === name) {
      values.push(Buffer.from(seen.rawHeaders[index + 1], 'latin1').toString('utf8'));
    }
  }
  return values;
}

const sessions = new Map();

/**
 * The app session of `account` at the wiki: `{ name, value, cookie }`, the cookie at the `board`, and the `state` of the
 * browser. It is the same behind every proxy: they stand at one address, and the broker keeps its database.
 */
async function session(account) {
  if (!sessions.has(account)) {
    const context = await freshBrowser(stack().browser);
    const page = await context.newPage();
    await signIn(page, `${stack().urls.wiki}/page`, account);
    await page.goto(`${stack().urls.board}/`);
    await keep(account, context);
    await context.close();
    forget();
  }
  return sessions.get(account);
}

async function keep(account, context) {
  const cookies = await cookiesNamed(context, '__Host-dwa');
  const { name, value } = cookies.find(({ domain }) => stack().hosts.wiki.startsWith(`${domain}:`));
  const board = await cookieHeader(context, stack().urls.board);
  sessions.set(account, { name, value, cookie: `${name}=${value}`, board, state: await context.storageState() });
}

function forget() {
  for (const app of Object.values(stack().apps)) {
    app.requests.length = 0;
  }
}

for (const proxy of Object.values(proxies)) {
  describe(proxy.name, () => {
    const identityHeaders = Object.keys(proxy.identity);

    /** Whether `seen` tells of `account` and of nobody else, each header once. */
    function tellsOf(account, seen, what = '') {
      const claims = { preferred_username: account, ...accounts[account] };
      for (const [name, claim] of Object.entries(proxy.identity)) {
        const values = readAs(name, seen);
        if (claim === 'user') {
          assert.equal(values.length, 1, `${name} ${what}`);
          assert.match(values[0], /^[0-9a-f]{32}$/u, `${name} ${what}`);
        } else {
          assert.deepEqual(values, [String(claims[claim])], `${name} ${what}`);
        }
      }
    }

    before(() => stack().useProxy(proxy));
    beforeEach(forget);

    test('a person signs in, the app is told who it is, and a second app opens without a second login', async () => {
      const context = await browser();
      const page = await context.newPage();
      const address = `${stack().urls.wiki}/page?a=1&b=%2F`;
      const seen = await signIn(page, address, 'alice');
      assert.equal(seen.url, '/page?a=1&b=%2F');
      tellsOf('alice', seen);
      const before = stack().provider.seen.length;
      await page.goto(`${stack().urls.board}/cards?a=1&b=2#part`);
      assert.equal(page.url(), `${stack().urls.board}/cards?a=1&b=2#part`);
      const [user] = identityHeaders;
      assert.equal((await seenByApp(page)).headers[user], seen.headers[user]);
      assert.equal(stack().provider.seen.length, before, 'the provider was not asked again');
      await keep('alice', context);
    });

    test('a person who may not is told so, and can choose another account', async () => {
      const { cookie, state } = await session('bob');
      const page = await (await browser({ storageState: state })).newPage();
      const answer = await page.goto(`${stack().urls.wiki}/admin/users`);
      assert.equal(answer.status(), 403);
      await page.getByRole('heading', { name: 'Your account cannot open Wiki' }).waitFor();
      await click(page, 'Use another account');
      await page.getByRole('heading', { name: /^Sign in/u }).waitFor();
      assert.equal((await ask('/admin', { headers: byScript({ cookie }) })).status, 403);
      assert.deepEqual(requests(), []);
    });

    test('a person signs out, and what was signed in is no more', async () => {
      const context = await browser();
      const page = await context.newPage();
      await signIn(page, `${stack().urls.wiki}/page`, 'bob');
      const cookie = await cookieHeader(context, stack().urls.wiki);
      assert.equal((await ask('/page', { headers: byScript({ cookie }) })).status, 200);
      await page.goto(`${stack().urls.wiki}/`);
      await click(page, 'Sign out');
      await page.getByRole('button', { name: 'Yes, sign me out' }).click();
      await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
      await eventually('the old cookie is dead', async () => (await ask('/page', { headers: byScript({ cookie }) })).status === 401, 6_000);
    });

    test('a form without a session leads to the sign-in, a script gets 401, and neither reaches the app', async () => {
      const form = { method: 'POST', body: 'a=1' };
      const person = await ask('/save', { ...form, headers: { ...navigation, 'content-type': 'application/x-www-form-urlencoded' } });
      assert.equal(person.status, 303);
      assert.match(person.location, /^http:\/\/(?:wiki\.)?acme\.localhost/u);
      const answer = await ask('/save', { ...form, headers: byScript({ 'content-type': 'application/json' }) });
      assert.equal(answer.status, 401);
      assert.deepEqual([answer.location, answer.cookies], [undefined, []]);
      assert.deepEqual(requests(), []);
    });

    test('a body reaches the app whole', async () => {
      const { cookie } = await session('alice');
      const answer = await ask('/save', { method: 'POST', body: 'x'.repeat(200_000), headers: byScript({ cookie, 'content-length': 200_000 }) });
      assert.equal(answer.status, 200);
      assert.deepEqual([answer.json().method, answer.json().length], ['POST', 200_000]);
    });

    test('a WebSocket opens for who may, and for nobody else', async () => {
      const { cookie } = await session('alice');
      const open = (headers) => rawStatus(stack().ports.proxy, `GET /socket HTTP/1.1\r\nHost: ${stack().hosts.wiki}\r\n`
        + `Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n`
        + `Sec-Fetch-Mode: websocket\r\n${headers}\r\n`);
      const { status, text } = await open(`Cookie: ${cookie}\r\n`);
      assert.equal(status, 101);
      assert.match(text, /hello$/u);
      assert.equal(requests()[0].upgrade, true);
      tellsOf('alice', requests()[0]);
      forget();
      assert.equal((await open('Connection: close\r\n')).status, 401);
      assert.deepEqual(requests(), []);
    });

    // What follows a switch to another protocol is not asked about: `h2c` would open every path.
    test('no protocol but WebSocket is switched to', async () => {
      for (const upgrade of ['h2c', 'HTTP/2.0', 'websocket, h2c', 'h2c, websocket']) {
        forget();
        await rawStatus(stack().ports.proxy, `GET /public/ HTTP/1.1\r\nHost: ${stack().hosts.wiki}\r\n`
          + `Connection: close, Upgrade, HTTP2-Settings\r\nUpgrade: ${upgrade}\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n`);
        for (const request of requests()) {
          assert.doesNotMatch(request.headers.upgrade ?? '', /h2c|HTTP/iu, upgrade);
        }
      }
    });

    test('of two hosts none is served that was not judged', async () => {
      const { wiki, board } = stack().hosts;
      for (const hosts of [`${wiki},${board}`, `${board}, ${wiki}`]) {
        forget();
        await rawStatus(stack().ports.proxy, `GET /public/ HTTP/1.1\r\nHost: ${hosts}\r\nConnection: close\r\n\r\n`);
        // nginx and others take what they can read of it, and judge and serve that alone.
        for (const request of requests()) {
          assert.equal(request.headers.host, stack().hosts[request.app], hosts);
        }
      }
    });

    test('our cookies do not reach the app, its own do', async () => {
      const { cookie } = await session('alice');
      for (const path of ['/page', '/public/']) {
        for (const [sent, told] of [[`a=1; ${cookie}; b=2`, 'a=1; b=2'], [cookie, ''], [`__Host-dwt-x=1; ${cookie}; __Host-dwl-y=2`, '']]) {
          forget();
          assert.equal((await ask(path, { headers: byScript({ cookie: sent }) })).status, 200);
          assert.equal(requests()[0].headers.cookie ?? '', told, `${path}: ${sent}`);
          assert.doesNotMatch(JSON.stringify(requests()), /__(?:Host|Secure)-dw/u);
        }
      }
    });

    test('the check cannot be asked from a browser', async () => {
      const { state } = await session('alice');
      const page = await (await browser({ storageState: state })).newPage();
      // The board has no rule about paths: its check could be answered without a target.
      for (const app of [stack().urls.wiki, stack().urls.board]) {
        await page.goto(`${app}/page`);
        for (const path of [
          '/oauth2/auth', '/oauth2/auth?x=1', '/oauth2/auth/', '/oauth2//auth', '/oauth2/%61uth', '/OAuth2/auth', '/x/..%2foauth2/auth',
          proxy.check ?? '/oauth2/auth',
        ]) {
          const [status, told] = await page.evaluate(async ([address, names]) => {
            const answer = await fetch(address);
            return [answer.status, names.filter((name) => answer.headers.has(name))];
          }, [path, [...identityHeaders, 'cookie']]);
          // Where the proxy knows capitals, this is a path of the app's.
          assert.ok((status >= 400 && status < 500) || (status === 200 && path === '/OAuth2/auth'), `${app}${path}: ${status}`);
          assert.deepEqual(told, [], `${app}${path}`);
        }
      }
      for (const path of ['/oauth2/auth', '/api/authz/auth-request', '/api/authz/forward-auth', '/api/authz/ext-authz/', '/metrics', '/readyz', '/ready']) {
        assert.equal((await stack().request('acme', { path, headers: byScript() })).status, 404, path);
      }
    });

    test('a01_what_a_client_says_about_itself_is_not_believed', async () => {
      const claims = {
        'X-Forwarded-Uri': '/public/evil', 'X-Forwarded-Host': 'evil.example', 'X-Forwarded-Proto': 'https', 'X-Forwarded-Prefix': '/evil',
        'X-Forwarded-Port': '8443', 'X-Forwarded-Method': 'HEAD', 'X-Original-URL': 'https://evil.example/public/',
        'X-Original-Method': 'HEAD', 'X-Original-URI': '/public/evil', 'X-Real-IP': 'evil', 'X-Forwarded-For': 'evil',
        Forwarded: 'for=evil;host=evil.example',
      };
      for (const path of ['/page', '/admin']) {
        assert.equal((await ask(path, { headers: byScript(claims) })).status, 401, path);
      }
      const person = await ask('/page', { headers: { ...navigation, ...claims } });
      assert.ok([302, 303].includes(person.status));
      assert.doesNotMatch(person.location, /evil|https|8443|public/u);
      assert.deepEqual(requests(), []);
      await ask('/public/', { headers: claims });
      assert.doesNotMatch(JSON.stringify(requests()[0].headers), /evil|8443|HEAD/u);
    });

    test('a02_a_path_that_looks_public_is_not', async () => {
      for (const path of disguisedPaths) {
        const answer = await ask(path, { headers: byScript() });
        assert.ok(answer.status >= 400 && answer.status < 500, `${path}: ${answer.status}`);
        assert.deepEqual(requests(), [], path);
      }
    });

    test('a03_a_name_that_monitoring_uses_opens_nothing', async () => {
      for (const agent of probes) {
        assert.equal((await ask('/page', { headers: byScript({ 'User-Agent': agent }) })).status, 401, agent);
      }
      assert.deepEqual(requests(), []);
    });

    test('a04_an_identity_that_the_client_claims_does_not_survive', async () => {
      const { cookie } = await session('bob');
      const list = identityHeaders.join(', ');
      const attacks = [
        ...identityHeaders.flatMap((name) => [
          [name, 'root'], [name.toUpperCase(), 'root'], [name, 'root', name, 'root'],
          ...aliasesOf(name).map((alias) => [alias, 'root']),
        ]),
        ['Connection', list], ['Connection', `Upgrade, ${list}`], ['Connection', list, ...identityHeaders.flatMap((name) => [name, 'root'])],
        ['TE', list], ['Proxy-Connection', list], ['Keep-Alive', list],
      ];
      for (const headers of attacks) {
        forget();
        await ask('/public/', { headers });
        assert.equal(requests().length, 1, String(headers));
        for (const name of identityHeaders) {
          assert.ok(readAs(name, requests()[0]).every((value) => value === ''), `${name} with ${headers}`);
        }
        forget();
        const answer = await ask('/page', { headers: [...Object.entries(byScript({ cookie })).flat(), ...headers] });
        assert.equal(answer.status, 200, String(headers));
        tellsOf('bob', requests()[0], `with ${headers}`);
        assert.doesNotMatch(requests()[0].headers.connection ?? '', /user|groups|email|name/iu, 'an app may be a proxy too');
      }
    });

    test('a05_what_cannot_be_read_is_never_a_yes', async () => {
      for (const cookie of garbageCookies(await session('bob'))) {
        const answer = await ask('/page', { headers: byScript({ cookie }) });
        assert.ok([400, 401, 431].includes(answer.status), `${cookie.slice(0, 80)}: ${answer.status}`);
      }
      await Promise.all(malformedRequests(stack().hosts.wiki).map(async (bytes) => {
        const { status } = await rawStatus(stack().ports.proxy, Buffer.from(bytes, 'latin1'));
        assert.ok(Number.isNaN(status) || status >= 400, `${JSON.stringify(bytes.split('\r\n')[0])}: ${status}`);
      }));
      assert.deepEqual(requests(), []);
    });

    test('a06_an_address_that_cannot_be_read_changes_nothing', async () => {
      const { cookie } = await session('bob');
      for (const address of malformedAddresses) {
        const headers = { 'X-Forwarded-For': address, 'X-Real-IP': address };
        assert.equal((await ask('/page', { headers: byScript(headers) })).status, 401, address.slice(0, 40));
        assert.equal((await ask('/admin', { headers: byScript({ ...headers, cookie }) })).status, 403, address.slice(0, 40));
      }
      assert.deepEqual(requests(), []);
    });

    test('a07_nobody_is_sent_to_an_address_that_is_not_ours', async () => {
      const targets = foreignTargets();
      assert.ok(targets.length > 400);
      while (targets.length > 0) {
        await Promise.all(targets.splice(0, 32).map(async (target) => {
          const answer = await ask(`/oauth2/sign_in?rd=${encodeURIComponent(target)}`, { headers: navigation });
          assert.ok(answer.status >= 400 && answer.status < 500, `${JSON.stringify(target)}: ${answer.status} ${answer.location}`);
          assert.equal(answer.location, undefined);
        }));
      }
    });

    test('t07_nothing_in_a_name_becomes_a_header', async () => {
      const { cookie } = await session('zoe');
      assert.equal((await ask('/page', { headers: byScript({ cookie }) })).status, 200);
      const [seen] = requests();
      const told = Object.entries(proxy.identity).map(([name, claim]) => [claim, readAs(name, seen)]);
      const { groups, name, preferred_username: username } = Object.fromEntries(told);
      assert.equal(groups.length, 1);
      assert.match(groups[0], /^Übersetzer,department-number-0,.*,department-number-199$/u);
      assert.deepEqual(name ?? username, name ? ['Zoë Žák%0D%0ARemote-Groups: admins'] : ['Zoë%0D%0AX-Auth-Request-Groups: admins']);
      assert.equal(seen.headers['x-admin'], undefined);
    });

    test('t28_forged_target_headers_open_nothing', async () => {
      const { cookie, board } = await session('bob');
      for (const headers of forgedTargets(stack())) {
        for (const [method, path, person, status] of [
          ['GET', '/page', {}, 401], ['GET', '/admin', {}, 401], ['GET', '/admin', { cookie }, 403], ['DELETE', '/page', { cookie }, 403],
        ]) {
          const answer = await ask(path, { method, headers: byScript({ ...headers, ...person }) });
          // Envoy takes no `Connection` that names forwarded headers.
          const answers = headers.Connection ? [status, 400] : [status];
          assert.ok(answers.includes(answer.status), `${method} ${path} with ${JSON.stringify(headers)}: ${answer.status}`);
        }
      }
      assert.deepEqual(requests(), []);
      // RFC 9112 §3.2.2: with an absolute address in the request line, the Host header does not count. The board lets him in.
      assert.equal((await stack().request('board', { headers: byScript({ cookie: board }) })).status, 200);
      forget();
      const { status } = await rawStatus(stack().ports.proxy, `GET ${stack().urls.wiki}/admin HTTP/1.1\r\nHost: ${stack().hosts.board}\r\n`
        + `Accept: */*\r\nCookie: ${board}\r\nConnection: close\r\n\r\n`);
      assert.ok([400, 401, 403].includes(status), String(status));
      assert.deepEqual(requests(), []);
    });

    test('t29_a_method_is_judged_as_it_was_sent', async () => {
      const { cookie } = await session('bob');
      const send = (method, headers = {}) => ask('/page', { method, headers: byScript({ cookie, ...headers }) });
      for (const method of ['GET', 'POST', 'PUT', 'OPTIONS', 'PROPFIND']) {
        assert.equal((await send(method)).status, 200, method);
        assert.equal(requests().at(-1).method, method);
      }
      forget();
      assert.equal((await send('DELETE')).status, 403);
      assert.equal((await send('DELETE', { 'X-Original-Method': 'GET', 'X-Forwarded-Method': 'GET', 'X-HTTP-Method-Override': 'GET' })).status, 403);
      assert.deepEqual(requests(), []);
    });

    test('a broker that is down lets nobody in', async () => {
      const { cookie } = await session('alice');
      await stack().doorward.stop();
      try {
        const people = [byScript({ cookie }), { ...navigation, cookie }, byScript()];
        const answers = await Promise.all(people.map((headers) => ask('/page', { headers })));
        assert.ok(answers.every(({ status }) => status >= 500), JSON.stringify(answers.map(({ status }) => status)));
        assert.deepEqual(requests(), []);
      } finally {
        await stack().startDoorward();
      }
    });

    if (proxy.startWithFault) {
      test('a script that fails lets nobody in', async () => {
        const { cookie } = await session('alice');
        await stack().useProxy({ ...proxy, start: proxy.startWithFault }, proxy.fault);
        for (const path of ['/page', '/public/']) {
          const { status } = await ask(path, { headers: byScript({ cookie }) });
          assert.ok(status >= 500, `${path}: ${status}`);
        }
        assert.deepEqual(requests(), []);
      });
    }
  });
}
