// A person at a browser: Chromium, and the few things that people do in these tests.
import assert from 'node:assert/strict';

import { chromium } from 'playwright-core';

import { chromiumProgram } from './files.mjs';
import { accounts, password } from './provider.mjs';

/** Headless Chromium that asks nobody outside for anything. */
export function launchBrowser() {
  return chromium.launch({
    executablePath: chromiumProgram,
    headless: true,
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync',
    ],
  });
}

/** What browsers have refused because of a Content-Security-Policy, since somebody last asked. */
const refusals = [];

/** Fails if a page in any browser has run into its own policy: to a person, a button that does nothing. */
export function assertNothingRefused() {
  assert.deepEqual(refusals.splice(0), []);
}

/** A browser that nobody has used before: no cookies, nothing remembered. */
export async function freshBrowser(browser, options = {}) {
  const context = await browser.newContext({ locale: 'en-GB', ...options });
  // Against hangs, not against slow machines.
  context.setDefaultTimeout(30_000);
  context.on('console', (message) => {
    if (message.text().includes('Content Security Policy')) {
      refusals.push(`${message.location().url}: ${message.text()}`);
    }
  });
  return context;
}

/** A button or a link, whichever the page has: a person does not tell them apart. */
export function control(page, name) {
  return page.getByRole('button', { name }).or(page.getByRole('link', { name })).first();
}

export async function click(page, name) {
  await control(page, name).click();
}

/** From wherever the choice of a provider is shown, on to that provider's own sign-in page. */
export async function chooseProvider(page, name) {
  const atProvider = page.getByRole('heading', { name: 'Sign in at the provider' });
  const choice = control(page, new RegExp(`^Continue with ${name}`, 'u'));
  await atProvider.or(choice).first().waitFor();
  if (await choice.isVisible()) {
    await choice.click();
  }
}

/** Types account and password at the provider. */
export async function signInAtProvider(page, account) {
  assert.ok(accounts[account], `no such account: ${account}`);
  await page.getByLabel('Account').fill(account);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

/** Opens `address` as somebody who is not signed in, signs in, and arrives there. Answers the app's answer. */
export async function signIn(page, address, account, provider = 'Acme staff') {
  await page.goto(address);
  await chooseProvider(page, provider);
  await signInAtProvider(page, account);
  await page.waitForURL(address);
  return seenByApp(page);
}

/** The request as it reached the app, read from the page that the app shows. */
export async function seenByApp(page) {
  return JSON.parse(await page.locator('#seen').textContent());
}

/** The cookies that this browser would send to `address`, as a header's value. */
export async function cookieHeader(context, address) {
  const cookies = await context.cookies(address);
  return cookies.map(({ name, value }) => `${name}=${value}`).join('; ');
}

/** All cookies of this browser whose names begin with `prefix`, of every host. */
export async function cookiesNamed(context, prefix) {
  return (await context.cookies()).filter(({ name }) => name.startsWith(prefix));
}
