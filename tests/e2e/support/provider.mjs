// The provider upstream: the certified package `oidc-provider`, with accounts to sign in as and pages to do it on.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import http from 'node:http';

import Provider, { interactionPolicy } from 'oidc-provider';

import { noIcon } from './apps.mjs';

export const password = 'correct horse battery staple';

/** Who can sign in. What a claim is missing for is what the test of that name is about. */
export const accounts = {
  alice: { name: 'Alice Archer', email: 'alice@acme.example', email_verified: true, groups: ['admins', 'staff'] },
  bob: { name: 'Bob Baker', email: 'bob@acme.example', email_verified: true, groups: ['staff'] },
  eve: { name: 'Eve Elsewhere', email: 'eve@elsewhere.example', email_verified: true, groups: [] },
  // Her name and groups do what they can to become headers of their own, and are many.
  zoe: {
    name: 'Zoë Žák\r\nRemote-Groups: admins', preferred_username: 'Zoë\r\nX-Auth-Request-Groups: admins', email: 'zoe@acme.example', email_verified: true,
    groups: ['Übersetzer', 'a,admins', 'b\r\nX-Admin: 1', ...Array.from({ length: 200 }, (_, index) => `department-number-${index}`)],
  },
  uma: { name: 'Uma Unverified', email: 'uma@acme.example', email_verified: false, groups: ['staff'] },
};

const key = { ...generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256', kid: 'e2e' };

/**
 * Starts it at http://127.0.0.1:`port`, which is its issuer. `clients` are `{ id, secret, redirect, afterLogout }`.
 * `stop` and `start` again: what it knew is kept, as with a provider that was down for a while.
 */
export async function startProvider(port, clients) {
  const issuer = `http://127.0.0.1:${port}`;
  const policy = interactionPolicy.base();
  policy.add(new interactionPolicy.Prompt({ name: 'select_account', requestable: true }), 0);
  const provider = new Provider(issuer, {
    clients: clients.map((client) => ({
      client_id: client.id,
      client_secret: client.secret,
      redirect_uris: [client.redirect],
      post_logout_redirect_uris: client.afterLogout,
      grant_types: ['authorization_code'],
      response_types: ['code'],
    })),
    jwks: { keys: [key] },
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    pkce: { required: () => true },
    scopes: ['openid', 'profile', 'email', 'groups'],
    claims: {
      openid: ['sub'],
      profile: ['name', 'preferred_username'],
      email: ['email', 'email_verified'],
      groups: ['groups'],
    },
    interactions: { policy, url: (_, interaction) => `/interaction/${interaction.uid}` },
    features: {
      devInteractions: { enabled: false },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource(context, form) {
          context.body = page('Sign out of the provider', `${form}
            <button form="op.logoutForm" name="logout" value="yes">Yes, sign me out</button>`);
        },
        postLogoutSuccessSource(context) {
          context.body = page('Signed out of the provider', '');
        },
      },
    },
    findAccount: (_, id) => accounts[id] && {
      accountId: id,
      claims: () => ({ sub: id, preferred_username: id, ...accounts[id] }),
    },
    // Both clients are the company's own: nobody is asked for consent.
    async loadExistingGrant(context) {
      const { client, session, result } = context.oidc;
      const known = result?.consent?.grantId ?? session.grantIdFor(client.clientId);
      const found = known && await provider.Grant.find(known);
      if (found && found.accountId === session.accountId) {
        return found;
      }
      const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
      grant.addOIDCScope('openid profile email groups');
      await grant.save();
      return grant;
    },
    renderError(context, out, error) {
      log.push(`${context.method} ${context.path}: ${out.error} ${out.error_description ?? ''} ${error.error_detail ?? ''}`);
      context.type = 'html';
      context.body = page('The provider refuses', `<pre>${escape(JSON.stringify(out))}</pre>`);
    },
    ttl: { AccessToken: 3600, AuthorizationCode: 60, Grant: 86_400, IdToken: 3600, Interaction: 3600, Session: 86_400 },
  });

  const log = [];
  provider.on('server_error', (_, error) => log.push(`server_error: ${error.stack}`));
  provider.on('grant.error', (context, error) => log.push(`grant.error: ${error.message} ${error.error_detail ?? ''}`));
  provider.on('end_session.error', (_, error) => log.push(`end_session.error: ${error.message} ${error.error_detail ?? ''}`));
  const seen = [];
  const gates = [];
  const answer = provider.callback();

  async function handle(incoming, response) {
    const { pathname } = new URL(incoming.url, issuer);
    seen.push(`${incoming.method} ${incoming.url}`);
    const gate = gates.find((waiting) => waiting.path === pathname);
    if (gate) {
      gate.reached();
      await gate.opened;
    }
    if (!pathname.startsWith('/interaction/')) {
      await answer(incoming, response);
      return;
    }
    const details = await provider.interactionDetails(incoming, response);
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.setHeader('cache-control', 'no-store');
    if (incoming.method !== 'POST') {
      response.end(signInPage(details.params.client_id));
      return;
    }
    const form = new URLSearchParams(await text(incoming));
    const account = form.get('account');
    if (form.get('refuse')) {
      await provider.interactionFinished(incoming, response, { error: 'access_denied', error_description: 'the person said no' });
    } else if (accounts[account] && form.get('password') === password) {
      // The prompt `select_account` is answered by the same form, so both are.
      await provider.interactionFinished(incoming, response, { login: { accountId: account }, select_account: {} });
    } else {
      response.end(signInPage(details.params.client_id, 'Account or password do not fit.'));
    }
  }

  let server;
  async function start() {
    server = http.createServer((incoming, response) => {
      handle(incoming, response).catch((error) => {
        log.push(String(error.stack));
        response.statusCode = 500;
        response.end(page('The provider failed', `<pre>${escape(String(error))}</pre>`));
      });
    });
    await new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
  }
  async function stop() {
    const stopping = server;
    server = undefined;
    if (stopping) {
      await new Promise((resolve) => {
        stopping.close(resolve);
        stopping.closeAllConnections();
      });
    }
  }

  /** Lets no request to `path` through until `open()`; `reached` settles when one waits. */
  function hold(path) {
    const gate = { path };
    const waiting = new Promise((resolve) => { gate.reached = resolve; });
    gate.opened = new Promise((resolve) => {
      gate.open = () => {
        gates.splice(gates.indexOf(gate), 1);
        resolve();
      };
    });
    gates.push(gate);
    return { reached: waiting, open: gate.open };
  }

  return { issuer, port, log, seen, start, stop, hold };
}

function signInPage(client, problem) {
  return page('Sign in at the provider', `
    <p>for ${escape(client)}</p>${problem ? `<p role="alert">${problem}</p>` : ''}
    <form method="post">
      <label>Account <input name="account" autocomplete="username"></label>
      <label>Password <input name="password" type="password" autocomplete="current-password"></label>
      <button>Sign in</button>
      <button name="refuse" value="1">Refuse</button>
    </form>`);
}

function page(title, body) {
  return `<!doctype html><html lang="en"><head><title>${title}</title>${noIcon}</head><body><main><h1>${title}</h1>${body}</main></body></html>`;
}

function escape(value) {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}

async function text(incoming) {
  const chunks = [];
  for await (const chunk of incoming) {
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
