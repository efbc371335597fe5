// The README's promise: `cargo run --release -- demo`, the address that it prints, and what a person does there.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';

import {
  assertNothingRefused, control, cookiesNamed, freshBrowser, freshFolder, launchBrowser, look, repository, startProgram,
} from './support.mjs';

let demo;
let browser;
let address;
let temporary;
let failed = false;

before(async () => {
  const folder = freshFolder('demo');
  temporary = path.join(folder, 'tmp');
  mkdirSync(temporary);
  // cargo needs to know where the toolchain and its own folder are; the demo itself is told nothing.
  const env = Object.fromEntries(['CARGO_HOME', 'RUSTUP_HOME', 'RUSTUP_TOOLCHAIN', 'CARGO_TARGET_DIR']
    .filter((name) => process.env[name] !== undefined).map((name) => [name, process.env[name]]));
  demo = startProgram('demo', ['cargo', 'run', '--quiet', '--locked', '--release', '--', 'demo'], {
    log: path.join(folder, 'demo.log'), cwd: repository, env: { ...env, TMPDIR: temporary },
  });
  // tests/run has built it before; the promise to a newcomer is five minutes from nothing.
  await demo.ready(async () => {
    address = /https?:\/\/[a-z0-9.-]+\.localhost:\d+\/?/u.exec(demo.output())?.[0];
    return address !== undefined;
  }, 300_000);
  browser = await launchBrowser();
});

afterEach((test) => {
  failed ||= test.passed === false;
  assertNothingRefused();
});

after(async () => {
  await browser?.close();
  await demo?.stop();
  if (failed) {
    console.error(`--- demo\n${demo?.output()}`);
  }
});

test('it says what to open, who one can be, and how to stop', () => {
  const words = demo.output();
  assert.match(words, /acme\.localhost/u);
  assert.match(words, /globex\.localhost/u);
  assert.match(words, /Ctrl[- +]C/iu);
});

const who = (page) => page.getByRole('heading', { name: 'Who do you want to be?' });

/** The address that the demo says belongs to `name`. */
function printed(name) {
  const found = new RegExp(`http://${name.replaceAll('.', '\\.')}\\.localhost:\\d+[a-z/]*`, 'u').exec(demo.output());
  assert.ok(found, `no address of ${name}`);
  return found[0];
}

test('a person signs in, sees who they are, opens the second app, signs out', async () => {
  const context = await freshBrowser(browser);
  const page = await context.newPage();
  await page.goto(address);
  await page.getByRole('button', { name: /^Ada Lovelace/u }).click();
  await page.getByRole('heading', { name: /^You are signed in to Wiki/u }).waitFor();
  const told = await page.locator('main').innerText();
  assert.match(told, /X-Auth-Request-User/iu);
  assert.match(told, /ada@acme\.example/u);
  assert.match(told, /finance/u);
  await look(page, 'demo-app');

  await control(page, 'Open Payroll').click();
  await page.getByRole('heading', { name: /^You are signed in to Payroll/u }).waitFor();
  assert.equal(new URL(page.url()).href, `${printed('payroll.acme')}/`);

  await page.goto(printed('acme'));
  await page.getByText('This session').waitFor();
  assert.match(await page.locator('main').innerText(), /Ada Lovelace/u);

  await page.goto(address);
  await control(page, 'Sign out').click();
  await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
  await look(page, 'demo-signed-out');
  // The second app's host keeps its cookie, which opens nothing any more.
  const left = (await cookiesNamed(context, '__Host-dw')).map(({ domain }) => domain);
  assert.deepEqual(left, ['payroll.acme.localhost']);
  for (const app of [address, printed('payroll.acme')]) {
    await page.goto(app);
    await who(page).waitFor();
  }
  await context.close();
});

test('a person whom an app refuses learns why and comes in with another account', async () => {
  const context = await freshBrowser(browser);
  const page = await context.newPage();
  await page.goto(printed('payroll.acme'));
  await page.getByRole('button', { name: /^Bob Baker/u }).click();
  await page.getByRole('heading', { name: 'Your account cannot open Payroll' }).waitFor();
  await look(page, 'demo-refused');
  await control(page, 'Use another account').click();
  await page.getByRole('button', { name: /^Ada Lovelace/u }).click();
  await page.getByRole('heading', { name: /^You are signed in to Payroll/u }).waitFor();
  await context.close();
});

test('the two organizations have nothing to do with each other', async () => {
  const context = await freshBrowser(browser);
  const page = await context.newPage();
  await page.goto(address);
  await page.getByRole('button', { name: /^Ada Lovelace/u }).click();
  await page.getByRole('heading', { name: /^You are signed in to Wiki/u }).waitFor();
  await page.goto(printed('wiki.globex'));
  await who(page).waitFor();
  await page.getByRole('button', { name: /^Grace Hopper/u }).click();
  await page.getByRole('heading', { name: /^You are signed in to Wiki/u }).waitFor();
  assert.match(await page.locator('main').innerText(), /grace@globex\.example/u);
  await page.goto(address);
  assert.match(await page.locator('main').innerText(), /ada@acme\.example/u);
  await context.close();
});

test('the demo\'s own provider can be used by everybody, with a password too', async () => {
  const context = await freshBrowser(browser);
  const page = await context.newPage();
  await page.goto(address);
  await who(page).waitFor();
  await look(page, 'demo-provider');
  await page.getByLabel('User').fill('ada');
  await page.getByLabel('Password').fill('wrong');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('alert').waitFor();
  await look(page, 'demo-provider-wrong-password');
  const [, password] = /ada +password (\S+)/u.exec(demo.output());
  await page.getByLabel('User').fill('ada');
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: /^You are signed in to Wiki/u }).waitFor();
  await context.close();
});

test('Ctrl-C ends it', async () => {
  const end = await demo.stop('SIGINT');
  assert.equal(end.signal, null);
  assert.equal(end.code, 0);
  assert.deepEqual(readdirSync(temporary), [], 'it leaves nothing behind');
});
