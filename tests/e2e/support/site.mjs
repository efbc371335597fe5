// A small stack for providers that somebody else wrote: the broker forwards to one app itself, and a tenant has the
// providers that a test starts.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { after, afterEach, before } from 'node:test';

import { startApp } from './apps.mjs';
import { assertNothingRefused, freshBrowser, launchBrowser } from './browser.mjs';
import { startDoorward } from './doorward.mjs';
import { doorwardProgram, freshFolder } from './files.mjs';
import { freePorts, request } from './network.mjs';

/** What people may open, if a test says nothing else. */
const signedIn = `
[[tenants.apps.rules]]
signed_in = true
`;

function configuration({ ports, hosts, providers, rules = signedIn, server = '', sections = '' }) {
  return `
[server]
listen = "127.0.0.1:${ports.doorward}"
public_url = "http://${hosts.tenant}"
development = true
forward_to_apps = true
${server}

[operations]
listen = "127.0.0.1:${ports.operations}"

[logging]
format = "json"
level = "info"

[storage]
sqlite = "doorward.db"
sealing_keys = [{ env = "SEALING_KEY" }]
${sections}
[[tenants]]
id = "acme"
name = "Acme"
contact = "it@acme.example"
${providers}
[[tenants.apps]]
id = "wiki"
name = "Wiki"
hosts = ["${hosts.wiki}"]
upstream = "http://127.0.0.1:${ports.app}"
${rules}`;
}

/**
 * Starts a site. The tenant is at an address that every program can reach, `http://127.0.0.1:{port}/t/acme`, the app at
 * `http://wiki.localhost:{port}`. `startProviders` gets `{ folder, base, port(), starting(part) }` and answers
 * `{ providers, secrets, rules, … }`: the configuration of the providers as TOML, what it refers to, and whatever the
 * tests want to have of them.
 */
async function startSite(name, startProviders, { chromium = true } = {}) {
  const folder = freshFolder(name);
  const [doorward, operations, app] = await freePorts(3);
  const ports = { doorward, operations, app };
  const hosts = { tenant: `127.0.0.1:${doorward}`, wiki: `wiki.localhost:${doorward}` };
  const base = `http://${hosts.tenant}/t/acme`;
  const started = [];
  const starting = async (start) => {
    const part = await start;
    started.unshift(part);
    return part;
  };
  const site = { name, folder, ports, hosts, base, urls: { tenant: base, wiki: `http://${hosts.wiki}` } };

  site.stop = async (failed = false) => {
    for (const part of started) {
      await part.stop();
    }
    if (failed) {
      console.error(`--- ${name}: what was left behind is in ${folder}`);
      for (const part of started.filter((each) => each.output)) {
        console.error(`--- ${part.name}\n${part.output()}`);
      }
    }
  };

  /** Runs `doorward` with `words`, and answers its exit status and what it printed. */
  site.command = (...words) => new Promise((resolve) => {
    const options = { env: { ...site.env, PATH: process.env.PATH, HOME: process.env.HOME, NO_COLOR: '1' }, timeout: 60_000 };
    execFile(doorwardProgram, [...words, '--config', path.join(folder, 'doorward.toml')], options, (error, stdout, stderr) => {
      resolve({ status: error ? error.code : 0, stdout, stderr });
    });
  });

  /** What `doorward provider test` finds at a provider: `{ status, findings }`, each finding by what was tried. */
  site.tryProvider = async (provider) => {
    const { status, stdout, stderr } = await site.command('provider', 'test', `acme/${provider}`, '--output', 'json');
    const [{ steps }] = stdout ? JSON.parse(stdout) : [{ steps: [{ what: 'command', finding: stderr }] }];
    return { status, findings: Object.fromEntries(steps.map(({ what, finding }) => [what, finding])), steps };
  };

  /** One request to the app or the tenant, by its short name. */
  site.request = (id, options) => request({ port: doorward, host: hosts[id], ...options });

  try {
    site.app = await starting(startApp('wiki', app));
    const given = await startProviders({ folder, base, starting, port: async () => (await freePorts(1))[0] });
    Object.assign(site, given);
    site.env = { SEALING_KEY: randomBytes(32).toString('base64'), ...given.secrets };
    site.doorward = await starting(startDoorward(folder, { ports, text: configuration({ ports, hosts, ...given }), env: site.env }));
    if (chromium) {
      site.browser = await launchBrowser();
      started.unshift({ name: 'chromium', stop: () => site.browser.close() });
    }
  } catch (error) {
    await site.stop(true);
    throw error;
  }
  return site;
}

/**
 * A file of tests that share one site. Answers `site()`, and `browser(options)` for a browser that nobody has used, which
 * is closed at the end of the test.
 */
export function siteSuite(name, startProviders, options) {
  let site;
  let failed = false;
  const contexts = [];
  before(async () => { site = await startSite(name, startProviders, options); });
  afterEach(async (test) => {
    failed ||= test.passed === false;
    await Promise.all(contexts.splice(0).map((context) => context.close()));
    try {
      assertNothingRefused();
    } catch (error) {
      failed = true;
      throw error;
    }
  });
  after(async () => { await site?.stop(failed); });
  return {
    site: () => site,
    async browser(settings) {
      const context = await freshBrowser(site.browser, settings);
      contexts.push(context);
      return context;
    },
  };
}
