// The README's promise: `cargo run --release -- demo`, the address that it prints, and what a person does there.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { control, cookiesNamed, eventually, freshBrowser, freshFolder, launchBrowser, look, repository, startProgram } from './support.mjs';

let demo;
let browser;
let address;

before(async () => {
  const folder = freshFolder('demo');
  mkdirSync(path.join(folder, 'tmp'));
  // cargo needs to know where the toolchain and its own folder are; the demo itself is told nothing.
  const env = Object.fromEntries(['CARGO_HOME', 'RUSTUP_HOME', 'RUSTUP_TOOLCHAIN', 'CARGO_TARGET_DIR']
    .filter((name) => process.env[name] !== undefined).map((name) => [name, process.env[name]]));
  demo = startProgram('demo', ['cargo', 'run', '--quiet', '--locked', '--release', '--', 'demo'], {
    log: path.join(folder, 'demo.log'), cwd: repository, env: { ...env, TMPDIR: path.join(folder, 'tmp') },
  });
  // tests/run has built it before; the promise to a newcomer is five minutes from nothing.
  await demo.ready(async () => {
    address = /https?:\/\/[a-z0-9.-]+\.localhost:\d+\/?/u.exec(demo.output())?.[0];
    return address !== undefined;
  }, 300_000);
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await demo?.stop();
});

test('it says what to open, who one can be, and how to stop', () => {
  const words = demo.output();
  assert.match(words, /acme\.localhost/u);
  assert.match(words, /globex\.localhost/u);
  assert.match(words, /Ctrl[- +]C/iu);
});

/** Signs in as the first user that the demo provider offers. */
async function signInAsFirst(page) {
  const choice = control(page, /^Continue with/u);
  const users = page.getByRole('heading', { name: 'Who do you want to be?' });
  await users.or(choice).first().waitFor();
  if (await choice.isVisible()) {
    await choice.click();
  }
  await users.waitFor();
  await page.locator('button[name=user]').first().click();
}

test('a person signs in, sees who they are, opens the second app, signs out', async () => {
  const context = await freshBrowser(browser);
  const page = await context.newPage();
  await page.goto(address);
  if (await control(page, /^(Sign in|Open)/u).isVisible()) {
    await look(page, 'demo-start');
    await control(page, /^(Sign in|Open)/u).click();
  }
  await signInAsFirst(page);
  await page.getByRole('heading', { name: /^You are signed in to/u }).waitFor();
  const first = new URL(page.url()).host;
  assert.match(await page.locator('main').innerText(), /X-Auth-Request-User/iu);
  await look(page, 'demo-app');

  await control(page, /^Open /u).click();
  await page.waitForURL((url) => url.host !== first);
  await page.getByRole('heading', { name: /^You are signed in to/u }).waitFor();
  assert.notEqual(new URL(page.url()).host, first);

  await control(page, 'Sign out').click();
  await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
  await eventually('no session is left', async () => (await cookiesNamed(context, '__Host-dws-')).length === 0);
  await page.goto(address);
  await control(page, /^(Continue with|Sign in|Open)/u).or(page.getByRole('heading', { name: 'Who do you want to be?' })).first().waitFor();
  await context.close();
});

test('the demo\'s own provider can be used by everybody', async () => {
  const context = await freshBrowser(browser);
  const page = await context.newPage();
  await page.goto(address);
  for (let step = 0; step < 3 && !await page.getByRole('heading', { name: 'Who do you want to be?' }).isVisible(); step += 1) {
    await control(page, /^(Continue with|Sign in|Open)/u).click();
    await page.waitForLoadState();
  }
  await look(page, 'demo-provider');
  await context.close();
});

test('Ctrl-C ends it', async () => {
  const end = await demo.stop('SIGINT');
  assert.equal(end.signal, null);
  assert.equal(end.code, 0);
});
