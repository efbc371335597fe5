// The nginx recipe alone, with a stand-in for the broker that writes down what it is asked. What the check is told, and
// what the app is told, is the recipe's doing: these tests fail when a line of it goes.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, beforeEach, test } from 'node:test';

import { freePorts, freshFolder, navigation, rawStatus, request, script } from './support.mjs';
import { startApp } from './support/apps.mjs';
import { startNginx, testConfiguration } from './support/nginx.mjs';

const folder = freshFolder('recipe-nginx');
let port;
let doorwardPort;
let settings;
let nginx;
let app;
let broker;
let asked;
let verdict;

before(async () => {
  const [nginxPort, brokerPort, appPort] = await freePorts(3);
  port = nginxPort;
  doorwardPort = brokerPort;
  settings = {
    port, doorward: brokerPort, tenants: ['acme.localhost'], apps: [{ host: 'wiki.localhost', port: appPort }],
  };
  app = await startApp('wiki', appPort);
  await startBroker();
  nginx = await startNginx(folder, settings);
});

after(async () => {
  await nginx?.stop();
  await app?.stop();
  await stopBroker();
});

beforeEach(() => {
  asked = [];
  app.requests.length = 0;
  verdict = { status: 202, headers: {} };
});

async function startBroker() {
  broker = http.createServer((incoming, response) => {
    let body = '';
    incoming.on('data', (chunk) => { body += chunk; });
    incoming.on('end', () => {
      asked.push({ method: incoming.method, url: incoming.url, headers: incoming.headers, body });
      if (incoming.url === '/oauth2/auth') {
        response.writeHead(verdict.status, verdict.headers).end();
      } else if (incoming.url.startsWith('/oauth2/sign_in')) {
        const person = incoming.headers['sec-fetch-mode'] === 'navigate';
        response.writeHead(person ? 303 : 401, person ? { location: 'http://acme.localhost/login' } : {}).end();
      } else {
        response.writeHead(200).end('broker');
      }
    });
  });
  await new Promise((resolve) => { broker.listen(doorwardPort, '127.0.0.1', resolve); });
}

async function stopBroker() {
  await new Promise((resolve) => {
    broker.close(resolve);
    broker.closeAllConnections();
  });
}

const ask = (path, options) => request({ port, host: `wiki.localhost:${port}`, path, ...options });
const check = () => asked.find(({ url }) => url === '/oauth2/auth');

const targetHeaders = ['X-Forwarded-Uri', 'X-Forwarded-Host', 'X-Forwarded-Method', 'X-Forwarded-Proto', 'X-Forwarded-For',
  'X-Real-IP', 'X-Original-URL', 'X-Original-Method', 'X-Auth-Request-Redirect'];
const identityHeaders = ['X-Auth-Request-User', 'X-Auth-Request-Email', 'X-Auth-Request-Preferred-Username',
  'X-Auth-Request-Groups'];
const forged = Object.fromEntries(targetHeaders.map((name) => [name, 'forged']));

test('nginx accepts the recipe', () => {
  const { ok, stderr } = testConfiguration(freshFolder('recipe-nginx-syntax'), settings);
  assert.ok(ok, stderr);
  assert.doesNotMatch(stderr, /\[warn\]/u);
});

test('t28_the_check_is_told_the_real_target_whatever_the_client_says', async () => {
  const answer = await ask('/admin/x?a=1&b=%2F', { method: 'POST', headers: forged, body: 'secret' });
  assert.equal(answer.status, 200);
  const { headers, method, body } = check();
  assert.equal(headers['x-original-url'], `http://wiki.localhost:${port}/admin/x?a=1&b=%2F`);
  assert.equal(headers['x-original-method'], 'POST');
  assert.equal(headers['x-real-ip'], '127.0.0.1');
  assert.equal(headers['x-forwarded-for'], '127.0.0.1');
  for (const name of ['x-forwarded-uri', 'x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-method']) {
    assert.equal(headers[name], undefined, name);
  }
  assert.equal(method, 'GET');
  assert.equal(body, '', 'the body of the request is the app\'s');
});

test('t28_the_host_that_nginx_serves_is_the_host_that_is_judged', async () => {
  // RFC 9112 §3.2.2: with an absolute address in the request line, the Host header does not count.
  await rawStatus(port, `GET http://wiki.localhost:${port}/page HTTP/1.1\r\nHost: open.localhost\r\nConnection: close\r\n\r\n`);
  assert.equal(check().headers['x-original-url'], `http://wiki.localhost:${port}/page`);
  assert.equal(check().headers.host, `wiki.localhost:${port}`);
  assert.equal(app.requests[0].headers.host, `wiki.localhost:${port}`);
});

test('the path reaches check and app as the client spelled it', async () => {
  await ask('/a%2Fb/../c//d?q=%20');
  assert.equal(check().headers['x-original-url'], `http://wiki.localhost:${port}/a%2Fb/../c//d?q=%20`);
  assert.equal(app.requests[0].url, '/a%2Fb/../c//d?q=%20');
});

test('identity headers are what the check answered, never what the client sent', async () => {
  verdict.headers = { 'X-Auth-Request-User': 'u-1', 'X-Auth-Request-Email': 'alice@acme.example' };
  const claimed = Object.fromEntries(identityHeaders.map((name) => [name, 'forged']));
  await ask('/', { headers: claimed });
  const { headers } = app.requests[0];
  assert.equal(headers['x-auth-request-user'], 'u-1');
  assert.equal(headers['x-auth-request-email'], 'alice@acme.example');
  assert.equal(headers['x-auth-request-preferred-username'], undefined);
  assert.equal(headers['x-auth-request-groups'], undefined);
});

test('identity headers spelled with underscores do not arrive', async () => {
  await ask('/', { headers: { X_Auth_Request_User: 'forged', 'X_Auth-Request_Groups': 'admins' } });
  assert.doesNotMatch(JSON.stringify(app.requests[0].headers), /forged|admins/u);
});

test('the app gets the cookies that the check leaves over', async () => {
  verdict.headers = { Cookie: 'own=1' };
  await ask('/', { headers: { cookie: 'own=1; __Host-dwa=handle' } });
  assert.equal(check().headers.cookie, 'own=1; __Host-dwa=handle');
  assert.equal(app.requests[0].headers.cookie, 'own=1');
});

test('the app is not told targets that the client invented', async () => {
  await ask('/', { headers: forged });
  assert.doesNotMatch(JSON.stringify(app.requests[0].headers), /"(x-forwarded-[a-z]+|x-real-ip|x-original-[a-z]+)":"forged"/u);
});

test('the check cannot be asked from outside', async () => {
  for (const path of ['/oauth2/auth', '/oauth2/auth?x=1', '/oauth2//auth', '/oauth2/%61uth', '/x/..%2foauth2/auth', '/oauth2/./auth']) {
    assert.equal((await ask(path)).status, 404, path);
  }
  for (const path of ['/oauth2/auth', '/api/authz/auth-request', '/api/authz/forward-auth', '/metrics', '/readyz']) {
    assert.equal((await ask(path, { host: `acme.localhost:${port}` })).status, 404, path);
  }
  assert.equal(asked.length, 0);
});

test('a person without a session is led to the sign-in, with the whole target', async () => {
  verdict.status = 401;
  const answer = await ask('/page?a=1&b=2', { method: 'POST', headers: { ...navigation, ...forged }, body: 'lost' });
  assert.equal(answer.status, 303);
  assert.equal(answer.location, 'http://acme.localhost/login');
  const [, signIn] = asked;
  assert.equal(signIn.method, 'GET');
  assert.equal(signIn.url, '/oauth2/sign_in');
  assert.equal(signIn.headers['x-auth-request-redirect'], `http://wiki.localhost:${port}/page?a=1&b=2`);
  assert.equal(signIn.headers['x-forwarded-uri'], undefined);
  assert.equal(signIn.body, '');
  assert.equal(app.requests.length, 0);
});

test('a script without a session gets 401', async () => {
  verdict.status = 401;
  const answer = await ask('/data', { headers: script });
  assert.equal(answer.status, 401);
  assert.equal(app.requests.length, 0);
});

test('a person who is refused gets the page that says so, a script gets 403', async () => {
  verdict.status = 403;
  assert.equal((await ask('/', { headers: navigation })).status, 303);
  assert.equal((await ask('/', { headers: { accept: 'text/html' } })).status, 401, 'the broker decides, not the recipe');
  asked = [];
  for (const headers of [script, {}, { accept: 'application/json' }, { ...navigation, 'sec-fetch-dest': 'iframe' }]) {
    assert.equal((await ask('/', { headers })).status, 403);
  }
  assert.deepEqual(asked.map(({ url }) => url), Array(4).fill('/oauth2/auth'));
  assert.equal(app.requests.length, 0);
});

test('what the broker is told about its own addresses is not what the client says', async () => {
  const answer = await ask('/oauth2/sign_out', { method: 'POST', headers: { ...forged, 'content-type': 'text/plain' }, body: 'csrf=1' });
  assert.equal(answer.text, 'broker');
  const [{ headers, body }] = asked;
  assert.equal(body, 'csrf=1');
  assert.doesNotMatch(JSON.stringify(headers), /forged/u);
  assert.equal(headers.host, `wiki.localhost:${port}`);
});

test('a WebSocket passes the check and reaches the app', async () => {
  const { status } = await rawStatus(port, `GET /socket HTTP/1.1\r\nHost: wiki.localhost:${port}\r\nConnection: Upgrade\r\n`
    + 'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n');
  assert.equal(status, 101);
  assert.equal(app.requests[0].upgrade, true);
  assert.ok(check());
});

test('many groups fit into the answer of the check', async () => {
  verdict.headers = { 'X-Auth-Request-Groups': Array.from({ length: 300 }, (_, index) => `department-number-${index}`).join(',') };
  assert.equal((await ask('/')).status, 200);
  assert.match(app.requests[0].headers['x-auth-request-groups'], /department-number-299$/u);
});

test('a broker that cannot tell, or is down, lets nobody in and sends nobody to sign in', async () => {
  for (const status of [500, 503, 429, 404]) {
    verdict.status = status;
    const answer = await ask('/', { headers: navigation });
    assert.equal(answer.status, 503, String(status));
    assert.equal(answer.headers['retry-after'], '5');
    assert.match(answer.text, /not possible at the moment/u);
  }
  await stopBroker();
  try {
    assert.equal((await ask('/', { headers: navigation })).status, 503);
    assert.equal((await ask('/oauth2/userinfo')).status, 503);
  } finally {
    await startBroker();
  }
  assert.equal(app.requests.length, 0);
});

test('an app that is down is not taken for a broker that is down', async () => {
  await app.stop();
  const answer = await ask('/', { headers: navigation });
  assert.equal(answer.status, 502);
  app = await startApp('wiki', app.port);
});
