// Access tokens of a real Keycloak, through nginx and at an API in Rust: of a machine, and of people, for one API.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  altered, bearerSuite, claimsOf, eventually, keycloakPassword, realm, resigned, startAxumApi, startKeycloak,
} from './support.mjs';

const audience = 'https://orders.acme.example';

const { site, ask } = bearerSuite('bearers-keycloak', async ({ folder, starting, port }) => {
  const keycloak = await starting(startKeycloak(folder, await port()));
  await keycloak.admin.createRealm();
  await keycloak.admin.call('POST', '', { realm: 'other', enabled: true });

  const mappers = {
    // What docs/bearer-at-the-check.md asks for: a fresh realm puts nobody's API into `aud`.
    audience: {
      name: 'audience', protocol: 'openid-connect', protocolMapper: 'oidc-audience-mapper',
      config: { 'included.custom.audience': audience, 'access.token.claim': 'true', 'id.token.claim': 'true' },
    },
    groups: {
      name: 'groups', protocol: 'openid-connect', protocolMapper: 'oidc-group-membership-mapper',
      config: { 'claim.name': 'groups', 'full.path': 'true', 'access.token.claim': 'true', 'id.token.claim': 'true' },
    },
  };
  const secret = 'not-a-secret-outside-these-tests';
  const register = (where, clientId, { protocolMappers, attributes = {} }) => keycloak.admin.call('POST', `/${where}/clients`, {
    clientId, secret, protocol: 'openid-connect', publicClient: false, standardFlowEnabled: false,
    serviceAccountsEnabled: true, directAccessGrantsEnabled: true, attributes, protocolMappers,
  });
  const both = [mappers.audience, mappers.groups];
  await register(realm, 'robot', { protocolMappers: both });
  await register(realm, 'brief', { protocolMappers: both, attributes: { 'access.token.lifespan': '5' } });
  await register(realm, 'stranger', { protocolMappers: [mappers.groups] });
  await register('other', 'robot', { protocolMappers: both });

  /** The tokens of a client: its own, or, with `username`, those of somebody who gave it name and password. */
  async function tokens(clientId, { username, where = realm } = {}) {
    const grant = username
      ? { grant_type: 'password', username, password: keycloakPassword, scope: 'openid' }
      : { grant_type: 'client_credentials' };
    // As browsers see it: that is the issuer that tokens name.
    const answer = await fetch(`${keycloak.url}/realms/${where}/protocol/openid-connect/token`, {
      method: 'POST', body: new URLSearchParams({ client_id: clientId, client_secret: secret, ...grant }),
    });
    assert.equal(answer.status, 200, await answer.clone().text());
    return answer.json();
  }

  return {
    keycloak, tokens,
    trusted: `
[[tenants.trusted_issuers]]
id = "keycloak"
profile = "keycloak"
url = "${keycloak.url}"
realm = "${realm}"
audiences = ["${audience}"]
skew = "0s"
`,
    wiki: 'allow = { signed_in = true }',
    orders: `
[[tenants.apps.rules]]
paths = ["/admin"]
groups = ["/admins"]

[[tenants.apps.rules]]
signed_in = true
`,
  };
});

async function isRefused(token) {
  const { status, reached } = await ask(token);
  assert.equal(status, 401);
  assert.equal(reached, false);
}

test('a machine of the realm passes, and whoever shows what is not for this app does not', async () => {
  const { access_token: token } = await site().tokens('robot');
  assert.equal(claimsOf(token).iss, `${site().keycloak.url}/realms/${realm}`);
  const { status, seen } = await ask(token);
  assert.equal(status, 200);
  assert.match(seen['x-auth-request-user'], /^[0-9a-f]{32}$/u);
  assert.equal(seen['x-auth-request-preferred-username'], 'service-account-robot');

  const { access_token: stranger } = await site().tokens('stranger');
  assert.ok(![claimsOf(stranger).aud].flat().includes(audience));
  await isRefused(stranger);
  await isRefused(altered(stranger, { aud: audience }));
  await isRefused(resigned(token));
});

test("a person's token tells their groups, which decide", async () => {
  const { access_token: alice } = await site().tokens('robot', { username: 'alice' });
  const { access_token: bob } = await site().tokens('robot', { username: 'bob' });
  const admitted = await ask(alice, { path: '/admin' });
  assert.equal(admitted.status, 200);
  assert.deepEqual(admitted.seen['x-auth-request-groups'].split(',').toSorted(), ['/admins', '/staff/ops']);
  assert.equal(admitted.seen['x-auth-request-email'], 'alice@acme.example');
  assert.equal((await ask(bob)).status, 200);
  const refused = await ask(bob, { path: '/admin' });
  assert.equal(refused.status, 403);
  assert.equal(refused.reached, false);
});

test('an ID token and a refresh token of the same sign-in are no access tokens', async () => {
  const { id_token: identity, refresh_token: refresh } = await site().tokens('robot', { username: 'alice' });
  assert.ok([claimsOf(identity).aud].flat().includes(audience), 'it is for this app all the same');
  await isRefused(identity);
  await isRefused(refresh);
});

test('another realm of the same server is another issuer', async () => {
  const { access_token: token } = await site().tokens('robot', { where: 'other' });
  assert.ok([claimsOf(token).aud].flat().includes(audience), 'it is for this app all the same');
  await isRefused(token);
  await isRefused(altered(token, { iss: `${site().keycloak.url}/realms/${realm}` }));
});

test('a token that has expired is refused', async () => {
  const { access_token: token } = await site().tokens('brief');
  assert.equal((await ask(token)).status, 200);
  await eventually('the token expires', async () => (await ask(token)).status === 401, 15_000);
  assert.ok(Date.now() / 1000 >= claimsOf(token).exp, 'not before its time');
});

test('an app that says nothing of itself has no address for it', async () => {
  const { status, reached } = await ask(undefined, { path: '/.well-known/oauth-protected-resource' });
  assert.equal(status, 404);
  assert.equal(reached, false);
});

test('an API in Rust takes the same tokens, by discovery', async (context) => {
  const { keycloak, tokens, folder } = site();
  const api = await startAxumApi(folder, 'axum-api', [`${keycloak.url}/realms/${realm}`, audience]);
  context.after(() => api.stop());
  const { access_token: token } = await tokens('robot');
  const known = await api.ask('/prices', token);
  assert.equal(known.status, 200);
  assert.equal(known.text, `apples: 1, for you, ${claimsOf(token).sub}`);
  for (const [what, refused] of Object.entries({
    stranger: (await tokens('stranger')).access_token,
    other: (await tokens('robot', { where: 'other' })).access_token,
    resigned: resigned(token),
  })) {
    assert.equal((await api.ask('/prices', refused)).status, 401, what);
  }
});
