// A real Keycloak: started on a port of its own, with nothing in it, and set up over its administration API as
// docs/providers/keycloak.md says to do it in the console.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';

import { javaProgram, keycloakFolder } from './files.mjs';
import { startProgram } from './programs.mjs';

export const realm = 'main';
export const keycloakPassword = 'correct horse battery staple';

/** Who can sign in, and their groups with their full paths. */
export const people = {
  alice: { firstName: 'Alice', lastName: 'Archer', email: 'alice@acme.example', emailVerified: true, groups: ['/admins', '/staff/ops'], realmRoles: ['auditor'] },
  bob: { firstName: 'Bob', lastName: 'Baker', email: 'bob@acme.example', emailVerified: true, groups: ['/staff'] },
  uma: { firstName: 'Uma', lastName: 'Unverified', email: 'uma@acme.example', emailVerified: false, groups: ['/staff'] },
  // Each of these is ended by the test of that purpose.
  carol: { firstName: 'Carol', lastName: 'Cooper', email: 'carol@acme.example', emailVerified: true, groups: ['/staff'] },
  erin: { firstName: 'Erin', lastName: 'Ebner', email: 'erin@acme.example', emailVerified: true, groups: ['/staff'] },
  frank: { firstName: 'Frank', lastName: 'Fuchs', email: 'frank@acme.example', emailVerified: true, groups: ['/staff', '/staff/ops'] },
  dave: { firstName: 'Dave', lastName: 'Draper', email: 'dave@acme.example', emailVerified: true, groups: ['/staff'] },
};

const administrator = { username: 'administrator', password: 'only in these tests' };

/**
 * Starts it. People know it as `http://localhost:{port}`, which is its `hostname`; at `http://127.0.0.1:{port}` it names
 * inner addresses for what people do not see, as the page says to set it up behind a proxy.
 */
export async function startKeycloak(folder, port) {
  const library = path.join(keycloakFolder, 'lib/quarkus-run.jar');
  if (!existsSync(library)) {
    throw new Error(`there is no Keycloak in ${keycloakFolder}: run tests/install, which fetches it from Maven Central`);
  }
  const url = `http://localhost:${port}`;
  const inner = `http://127.0.0.1:${port}`;
  // What bin/kc.sh would start, without the shell in between: ending the shell the hard way would leave Java behind.
  const program = startProgram('keycloak', [
    javaProgram, '-Xms64m', '-Xmx384m', '-XX:MaxMetaspaceSize=256m', '-XX:+ExitOnOutOfMemoryError', '-XX:+UseSerialGC',
    '-Djava.util.concurrent.ForkJoinPool.common.threadFactory=io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory',
    '-Djava.util.logging.manager=org.jboss.logmanager.LogManager',
    `-Dkc.home.dir=${keycloakFolder}`, `-Djboss.server.config.dir=${keycloakFolder}/conf`,
    '-cp', library, 'io.quarkus.bootstrap.runner.QuarkusEntryPoint',
    'start', '--optimized', '--cache=local', '--http-enabled=true', '--http-host=127.0.0.1', `--http-port=${port}`,
    `--hostname=${url}`, '--hostname-backchannel-dynamic=true',
  ], {
    log: path.join(folder, 'keycloak.log'), cwd: folder,
    env: { KC_BOOTSTRAP_ADMIN_USERNAME: administrator.username, KC_BOOTSTRAP_ADMIN_PASSWORD: administrator.password },
  });
  await program.ready(async () => (await fetch(`${inner}/realms/master`)).ok, 240_000);
  const admin = new Administration(inner);
  await admin.signIn();
  return Object.assign(program, { url, inner, admin });
}

/** The administration API, as the console uses it. */
class Administration {
  #inner;
  #authorization;

  constructor(inner) {
    this.#inner = inner;
  }

  async signIn() {
    const answer = await fetch(`${this.#inner}/realms/master/protocol/openid-connect/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'password', client_id: 'admin-cli', ...administrator }),
    });
    assert.equal(answer.status, 200, await answer.clone().text());
    this.#authorization = `Bearer ${(await answer.json()).access_token}`;
  }

  /** Answers what is there, or the id of what was made. */
  async call(method, address, body) {
    const ask = () => fetch(`${this.#inner}/admin/realms${address}`, {
      method, body: body && JSON.stringify(body),
      headers: { authorization: this.#authorization, 'content-type': 'application/json' },
    });
    let answer = await ask();
    if (answer.status === 401) {
      // Its tokens live for a minute.
      await this.signIn();
      answer = await ask();
    }
    const text = await answer.text();
    assert.ok(answer.ok, `${method} ${address}: ${answer.status} ${text}`);
    return text ? JSON.parse(text) : answer.headers.get('location')?.split('/').at(-1);
  }

  async userId(username) {
    const [user] = await this.call('GET', `/${realm}/users?exact=true&username=${username}`);
    assert.ok(user, `no such user: ${username}`);
    return user.id;
  }

  /** An identity provider behind this one, at the endpoints of `base`. */
  async addIdentityProvider(alias, base) {
    await this.call('POST', `/${realm}/identity-provider/instances`, {
      alias, providerId: 'oidc', enabled: true,
      config: { clientId: 'keycloak', clientSecret: 'unused', authorizationUrl: `${base}/auth`, tokenUrl: `${base}/token`, clientAuthMethod: 'client_secret_post' },
    });
  }

  /** A person's sessions there. */
  async sessions(username) {
    return this.call('GET', `/${realm}/users/${await this.userId(username)}/sessions`);
  }

  /** Ends a person's sessions, as *Sign out* in the console does. */
  async signOut(username) {
    await this.call('POST', `/${realm}/users/${await this.userId(username)}/logout`);
  }

  async disable(username) {
    await this.call('PUT', `/${realm}/users/${await this.userId(username)}`, { enabled: false });
  }

  /** Takes a person out of a group, by its full path. */
  async leaveGroup(username, group) {
    const { id } = await this.call('GET', `/${realm}/group-by-path${group}`);
    await this.call('DELETE', `/${realm}/users/${await this.userId(username)}/groups/${id}`);
  }

  /** Makes the realm with its people. `settings` are further ones of the realm. */
  async createRealm(settings = {}) {
    await this.call('POST', '', {
      realm, enabled: true, ...settings,
      roles: { realm: [{ name: 'auditor' }] },
      groups: [{ name: 'admins' }, { name: 'staff', subGroups: [{ name: 'ops' }] }],
      users: Object.entries(people).map(([username, person]) => ({
        username, enabled: true, ...person, credentials: [{ type: 'password', value: keycloakPassword, temporary: false }],
      })),
    });
  }

  /**
   * Registers a client with the steps of docs/providers/keycloak.md, and answers its secret. `base` is the tenant's
   * address; `mapper` the page's one for groups or the one for roles; `more` is what goes beyond the page.
   */
  async registerClient(clientId, { base, provider, mapper = groupMembership, attributes = {}, ...more }) {
    const id = await this.call('POST', `/${realm}/clients`, {
      clientId, protocol: 'openid-connect',
      // 1. Client authentication on, of the flows only Standard flow.
      publicClient: false, standardFlowEnabled: true, implicitFlowEnabled: false, directAccessGrantsEnabled: false,
      // 2. Valid redirect URIs.
      redirectUris: [`${base}/login/${provider}/callback`],
      attributes: {
        // 3. Valid post logout redirect URIs.
        'post.logout.redirect.uris': `${base}/signed-out`,
        // 5. Proof Key for Code Exchange Code Challenge Method.
        'pkce.code.challenge.method': 'S256',
        ...attributes,
      },
      ...more,
    });
    // In the client's dedicated scope: a mapper.
    await this.call('POST', `/${realm}/clients/${id}/protocol-mappers/models`, { protocol: 'openid-connect', ...mapper });
    // 4. Credentials: the client secret.
    return more.publicClient ? undefined : (await this.call('GET', `/${realm}/clients/${id}/client-secret`)).value;
  }
}

/** Groups and roles: *Group Membership*, added to the ID token. */
const groupMembership = {
  name: 'groups', protocolMapper: 'oidc-group-membership-mapper',
  config: { 'claim.name': 'groups', 'full.path': 'true', 'id.token.claim': 'true', 'access.token.claim': 'false', 'userinfo.token.claim': 'false' },
};

/** Groups and roles: *User Realm Role*, added to the ID token. */
export const realmRoles = {
  name: 'realm roles', protocolMapper: 'oidc-usermodel-realm-role-mapper',
  config: { 'claim.name': 'realm_access.roles', multivalued: 'true', 'jsonType.label': 'String', 'id.token.claim': 'true', 'access.token.claim': 'false' },
};

/** Types account and password into Keycloak's own form. */
export async function signInAtKeycloak(page, username, password = keycloakPassword) {
  await page.getByLabel('Username or email').fill(username);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Sign In' }).click();
}
