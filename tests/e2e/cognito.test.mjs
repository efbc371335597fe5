// The shipped preset at cognito-local. It loses the nonce, so nobody may get in: what is tested is that everything before
// that is right, and that this is what stops them.
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';

import {
  click, cognitoPassword, cookiesNamed, derivePreset, serveMetadata, siteSuite, startCognito,
} from './support.mjs';

const { site, browser } = siteSuite('cognito', async ({ folder, base, starting, port }) => {
  const cognito = await starting(startCognito(folder, await port()));
  const { UserPool: { Id: pool } } = await cognito.call('CreateUserPool', { PoolName: 'people' });
  const { UserPoolClient: client } = await cognito.call('CreateUserPoolClient', {
    UserPoolId: pool, ClientName: 'doorward', GenerateSecret: true, CallbackURLs: [`${base}/login/pool/callback`],
    AllowedOAuthFlowsUserPoolClient: true, AllowedOAuthFlows: ['code'], AllowedOAuthScopes: ['openid', 'email', 'profile'],
  });
  await cognito.call('AdminCreateUser', {
    UserPoolId: pool, Username: 'alice@acme.example', MessageAction: 'SUPPRESS',
    UserAttributes: [{ Name: 'email', Value: 'alice@acme.example' }, { Name: 'email_verified', Value: 'true' }],
  });
  await cognito.call('AdminSetUserPassword', { UserPoolId: pool, Username: 'alice@acme.example', Password: cognitoPassword, Permanent: true });

  const metadata = await starting(serveMetadata(await port(), { issuer: `${cognito.url}/${pool}`, domain: cognito.url }));
  const presets = path.join(folder, 'presets');
  // Amazon has one address in each region, which nobody can change.
  const emulated = [
    ['pools = "https://cognito-idp.{region}.amazonaws.com"', `pools = "${cognito.url}"`],
    [/\[parameters\.region\]\n(?:\w+ = .*\n)+/u, ''],
  ];
  derivePreset(presets, 'cognito', 'cognito-as-it-is', emulated);
  // The metadata that it has names another port, and no endpoints.
  derivePreset(presets, 'cognito', 'cognito-local', [...emulated, ['protocol = "oidc"\n', `protocol = "oidc"\ndiscovery = "${metadata.url}"\n`]]);

  const provider = (id, preset) => `
[[tenants.providers]]
id = "${id}"
preset = "${preset}"
name = "at ${id}"
user_pool_id = "${pool}"
domain = "${cognito.host}"
client_id = "${client.ClientId}"
client_secret = { env = "SECRET" }
client_authentication = "post"
`;
  return {
    cognito, pool,
    server: 'providers_folder = "presets"',
    secrets: { SECRET: client.ClientSecret },
    providers: provider('pool', 'cognito-local') + provider('as-it-is', 'cognito-as-it-is'),
  };
});

async function goTo(page, provider) {
  await page.goto(`${site().urls.wiki}/page`);
  await click(page, new RegExp(`^Continue with at ${provider}( |$)`, 'u'));
}

/** Why the log says that the last sign-in there came to nothing; the person is told, and has no session. */
async function reasonOfRefusal(page, provider) {
  await page.getByText('For your administrator').waitFor();
  assert.ok(page.url().startsWith(site().base), page.url());
  assert.deepEqual(await cookiesNamed(page.context(), '__Host-dws-'), []);
  const lines = site().doorward.output().split('\n').filter((line) => line.includes(`"provider":"${provider}"`) && line.includes('"reason"'));
  return JSON.parse(lines.at(-1)).reason;
}

test('an ID token without the nonce that was sent is refused, though all before it is right', async () => {
  const page = await (await browser()).newPage();
  await goTo(page, 'pool');
  await page.getByLabel('Username').fill('alice@acme.example');
  await page.getByLabel('Password').fill('not hers');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('Incorrect username or password.').waitFor();
  await page.getByLabel('Username').fill('alice@acme.example');
  await page.getByLabel('Password').fill(cognitoPassword);
  await page.getByRole('button', { name: 'Sign in' }).click();
  // The signature, the issuer and the audience were checked before it.
  assert.equal(await reasonOfRefusal(page, 'pool'), 'the ID token is refused: Invalid nonce: it is missing or another login\'s');
});

test('metadata that says nothing of where to sign in is refused', async () => {
  const page = await (await browser()).newPage();
  await goTo(page, 'as-it-is');
  assert.match(await reasonOfRefusal(page, 'as-it-is'), /missing field `authorization_endpoint`/u);
});
