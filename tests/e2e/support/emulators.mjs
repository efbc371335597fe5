// Providers of the npm package `emulate`: their pages offer the accounts that there are, and ask for no password.
import { createEmulator } from 'emulate';

/**
 * Starts one at `http://localhost:{port}`, with the accounts and clients of `seed`: to a browser another site than ours,
 * as providers are.
 */
export async function startEmulator(service, port, seed) {
  const emulator = await createEmulator({
    service, port, hostname: '127.0.0.1', baseUrl: `http://localhost:${port}`, seed: { [service]: seed },
  });
  return { name: service, host: `localhost:${port}`, url: `http://localhost:${port}`, stop: () => emulator.close() };
}

/** Chooses an account on the page that such a provider shows. */
export async function chooseAccount(page, login) {
  await page.locator('.user-form').filter({ has: page.getByText(login, { exact: true }) }).getByRole('button').click();
}
