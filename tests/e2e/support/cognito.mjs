// Cognito as the npm package `cognito-local` has it, a process of its own, and the metadata that it lacks.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';

import { startProgram } from './programs.mjs';

export const cognitoPassword = 'Correct-Horse-1';

/** Starts it at `http://localhost:{port}`, without a pool. */
export async function startCognito(folder, port) {
  const url = `http://localhost:${port}`;
  mkdirSync(path.join(folder, '.cognito/db'), { recursive: true });
  writeFileSync(path.join(folder, '.cognito/config.json'), JSON.stringify({
    ServerConfig: { hostname: '127.0.0.1', port }, TokenConfig: { IssuerDomain: url },
  }));
  const start = path.join(path.dirname(createRequire(import.meta.url).resolve('cognito-local')), 'bin/start.js');
  const program = startProgram('cognito-local', [process.execPath, start], { log: path.join(folder, 'cognito.log'), cwd: folder });
  await program.ready(async () => (await fetch(`${url}/health`)).ok);

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

  return Object.assign(program, { url, host: `localhost:${port}`, call });
}

/**
 * Metadata of a pool as Amazon writes it: the issuer and, if nothing else is said, the keys on one host, the endpoints on
 * the pool's own domain. Answers its address, and `stop`.
 */
export async function serveMetadata(port, { issuer, domain, keys = `${issuer}/.well-known/jwks.json` }) {
  const document = JSON.stringify({
    authorization_endpoint: `${domain}/oauth2/authorize`,
    id_token_signing_alg_values_supported: ['RS256'],
    issuer,
    jwks_uri: keys,
    response_types_supported: ['code', 'token'],
    scopes_supported: ['openid', 'email', 'phone', 'profile'],
    subject_types_supported: ['public'],
    token_endpoint: `${domain}/oauth2/token`,
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
    userinfo_endpoint: `${domain}/oauth2/userInfo`,
  });
  const server = http.createServer((_, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(document);
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    name: 'metadata', url: `http://localhost:${port}/openid-configuration`,
    stop: () => new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    }),
  };
}
