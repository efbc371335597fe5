// The user pools of moto, from PyPI: its API, keys and metadata, and tokens for those whom its API lets in.
import assert from 'node:assert/strict';
import path from 'node:path';

import { motoProgram } from './files.mjs';
import { startProgram } from './programs.mjs';

export const motoPassword = 'Correct-Horse-1';

/** Starts it at `http://127.0.0.1:{port}`, without a pool. Its region is `us-east-1`, whoever asks. */
export async function startMoto(folder, port) {
  const url = `http://127.0.0.1:${port}`;
  const program = startProgram('moto', [motoProgram, '-H', '127.0.0.1', '-p', String(port)], { log: path.join(folder, 'moto.log') });
  await program.ready(async () => (await fetch(`${url}/moto-api/data.json`)).ok);

  /** One call of the user pools' API. */
  async function call(operation, body) {
    const answer = await fetch(url, {
      method: 'POST', body: JSON.stringify(body),
      headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': `AWSCognitoIdentityProviderService.${operation}` },
    });
    const text = await answer.text();
    assert.equal(answer.status, 200, `${operation}: ${text}`);
    return text ? JSON.parse(text) : undefined;
  }

  /** Makes a pool with the person `alice`, who is in the group `admins`. Answers its id, and `issuer`, as Amazon spells it. */
  async function createPool(name) {
    const { UserPool: { Id: id } } = await call('CreateUserPool', { PoolName: name });
    await call('AdminCreateUser', {
      UserPoolId: id, Username: 'alice', MessageAction: 'SUPPRESS',
      UserAttributes: [{ Name: 'email', Value: 'alice@acme.example' }, { Name: 'email_verified', Value: 'true' }],
    });
    await call('AdminSetUserPassword', { UserPoolId: id, Username: 'alice', Password: motoPassword, Permanent: true });
    await call('CreateGroup', { UserPoolId: id, GroupName: 'admins' });
    await call('AdminAddUserToGroup', { UserPoolId: id, GroupName: 'admins', Username: 'alice' });
    return { id, issuer: `https://cognito-idp.us-east-1.amazonaws.com/${id}`, keys: `${url}/${id}/.well-known/jwks.json` };
  }

  /** Makes an app client, and answers its id. */
  async function createClient(pool, name) {
    const { UserPoolClient: { ClientId: id } } = await call('CreateUserPoolClient', {
      UserPoolId: pool.id, ClientName: name, ExplicitAuthFlows: ['ALLOW_ADMIN_USER_PASSWORD_AUTH'],
    });
    return id;
  }

  /** The tokens of alice: `{ AccessToken, IdToken }`. */
  async function tokens(pool, client) {
    const { AuthenticationResult: issued } = await call('AdminInitiateAuth', {
      UserPoolId: pool.id, ClientId: client, AuthFlow: 'ADMIN_USER_PASSWORD_AUTH',
      AuthParameters: { USERNAME: 'alice', PASSWORD: motoPassword },
    });
    return issued;
  }

  return Object.assign(program, { url, host: `127.0.0.1:${port}`, call, createPool, createClient, tokens });
}
