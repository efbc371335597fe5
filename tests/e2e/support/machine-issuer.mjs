// An issuer of access tokens for machines: `oidc-provider`, with keys that turn.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import http from 'node:http';

import Provider from 'oidc-provider';

/** Who asks for tokens there. */
export const robot = { id: 'robot', secret: 'not-a-secret-outside-these-tests' };

function newKey(kid) {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256', kid };
}

/**
 * Starts it at `http://127.0.0.1:{port}`, which is its issuer. Tokens are for the address that is asked for (RFC 8707), and
 * live for as many seconds as `lives` has for it, else for an hour. `token(resource, scope)` answers one. `rotate()`: another
 * key signs, and the old one is gone. `keyFetches()`: how often somebody asked for its keys.
 */
export async function startMachineIssuer(port, lives = {}) {
  const issuer = `http://127.0.0.1:${port}`;
  const cookieKeys = [randomBytes(32).toString('base64url')];
  let fetched = 0;
  let rounds = 0;
  let answer;

  function rotate() {
    rounds += 1;
    answer = new Provider(issuer, {
      clients: [{
        client_id: robot.id, client_secret: robot.secret, redirect_uris: [], response_types: [], grant_types: ['client_credentials'],
      }],
      jwks: { keys: [newKey(`round-${rounds}`)] },
      cookies: { keys: cookieKeys },
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        resourceIndicators: {
          enabled: true,
          getResourceServerInfo: (_, resource) => ({
            scope: 'orders:read', audience: resource, accessTokenTTL: lives[resource] ?? 3600,
            accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } },
          }),
        },
      },
      ttl: { ClientCredentials: (_, token) => token.resourceServer?.accessTokenTTL ?? 3600 },
    }).callback();
  }
  rotate();

  const server = http.createServer((incoming, response) => {
    if (incoming.url === '/jwks') {
      fetched += 1;
    }
    answer(incoming, response);
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });

  async function token(resource, scope = 'orders:read') {
    const asked = await fetch(`${issuer}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${robot.id}:${robot.secret}`).toString('base64')}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', resource, scope }),
    });
    if (!asked.ok) {
      throw new Error(`the issuer gives no token: ${asked.status} ${await asked.text()}`);
    }
    return (await asked.json()).access_token;
  }

  return {
    name: 'machine issuer', issuer, token, rotate, keyFetches: () => fetched,
    stop: () => new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    }),
  };
}
