// Providers of the npm package `emulate`: their pages offer the accounts that there are, and ask for no password.
import { createEmulator } from 'emulate';

/**
 * Starts one at `http://localhost:{port}`, with the accounts and clients of `seed`: to a browser another site than ours,
 * as providers are. `baseUrl`: what it takes for its own address, and so for `iss` of its tokens.
 */
export async function startEmulator(service, port, seed, baseUrl = `http://localhost:${port}`) {
  const emulator = await createEmulator({
    service, port, hostname: '127.0.0.1', baseUrl, seed: { [service]: seed },
  });
  return { name: service, host: `localhost:${port}`, url: `http://localhost:${port}`, stop: () => emulator.close() };
}

/** Chooses an account on the page that such a provider shows. */
export async function chooseAccount(page, login) {
  await page.locator('.user-form').filter({ has: page.getByText(login, { exact: true }) }).getByRole('button').click();
}

/**
 * The tokens of an account, without a browser: the form of that page at `page`, the code from there exchanged at `token`.
 * `client` is `{ client_id, client_secret, redirect_uris }`. Answers what the token endpoint answers.
 */
export async function emulatedTokens(emulator, { page, token, client, email }) {
  const { client_id, client_secret, redirect_uris: [redirect_uri] } = client;
  const post = (address, fields) => fetch(`${emulator.url}${address}`, {
    method: 'POST', redirect: 'manual', body: new URLSearchParams(fields),
  });
  const chosen = await post(page, { email, client_id, redirect_uri, scope: 'openid email profile' });
  const code = new URL(chosen.headers.get('location')).searchParams.get('code');
  const answer = await post(token, { grant_type: 'authorization_code', code, client_id, client_secret, redirect_uri });
  if (!answer.ok) {
    throw new Error(`${emulator.name} gives no tokens: ${answer.status} ${await answer.text()}`);
  }
  return answer.json();
}
