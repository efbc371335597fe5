// Everything at once: provider, apps, broker, proxy, browser, each real, each on a port of its own.
import path from 'node:path';
import { writeFileSync } from 'node:fs';

import { startApp } from './apps.mjs';
import { launchBrowser } from './browser.mjs';
import { configuration, secrets, startDoorward } from './doorward.mjs';
import { freshFolder } from './files.mjs';
import { freePorts, request } from './network.mjs';
import { startProvider } from './provider.mjs';
import { nginx } from './proxies/index.mjs';
import { trustedProxies } from './proxies/recipe.mjs';

const providerSecret = 'not-a-secret-outside-these-tests';

/**
 * Starts a stack. `providerDown`: the provider is made, but does not listen. Ask `stop(failed)` at the end: with `true`
 * it prints every log.
 */
export async function startStack(name, { providerDown = false, sessions } = {}) {
  const folder = freshFolder(name);
  const [proxyPort, doorwardPort, operations, grpc, providerPort, wikiPort, boardPort, notesPort] = await freePorts(8);
  const ports = { proxy: proxyPort, doorward: doorwardPort, operations, grpc, provider: providerPort };
  const names = { acme: 'acme.localhost', wiki: 'wiki.acme.localhost', board: 'board.acme.localhost', solo: 'solo.localhost' };
  const hosts = Object.fromEntries(Object.entries(names).map(([id, host]) => [id, `${host}:${proxyPort}`]));
  const urls = Object.fromEntries(Object.entries(hosts).map(([id, host]) => [id, `http://${host}`]));

  const stack = { name, folder, ports, hosts, urls, env: secrets(providerSecret) };
  const started = [];
  const starting = async (start) => {
    const part = await start;
    started.unshift(part);
    return part;
  };

  stack.stop = async (failed = false) => {
    for (const part of started) {
      await part.stop();
    }
    writeFileSync(path.join(folder, 'provider.log'), [...stack.provider?.seen ?? [], ...stack.provider?.log ?? []].join('\n'));
    if (failed) {
      console.error(`--- ${name}: what was left behind is in ${folder}`);
      console.error(`--- provider\n${stack.provider?.log.join('\n') ?? ''}`);
      for (const part of started.filter((each) => each.log !== undefined && each.output)) {
        console.error(`--- ${part.name}\n${part.output()}`);
      }
    }
  };

  /** Ends the broker, and starts it again with the same configuration and database. */
  stack.restartDoorward = async () => {
    await stack.doorward.stop();
    await stack.startDoorward();
  };
  stack.startDoorward = async () => {
    stack.doorward = await starting(startDoorward(folder, { ports, text: stack.configuration, env: stack.env }));
    return stack.doorward;
  };

  /**
   * Puts another proxy in front, at the same addresses: one of `proxies/index.mjs`. The broker is told what that proxy's
   * page says; its database stays, so that people are still who they were.
   */
  stack.useProxy = async (proxy) => {
    await stack.proxy?.stop();
    await stack.doorward?.stop();
    stack.configuration = configuration({
      ports, hosts, issuer: stack.provider.issuer, trustedProxies: trustedProxies(proxy.page), sessions,
    });
    await stack.startDoorward();
    stack.proxy = await starting(proxy.start(folder, {
      port: proxyPort, doorward: doorwardPort, grpc, tenants: [names.acme],
      apps: [
        { host: names.wiki, port: wikiPort },
        { host: names.board, port: boardPort },
        { host: names.solo, port: notesPort },
      ],
    }));
    await stack.proxy.ready(async () => (await stack.request('wiki', { path: '/public/ready' })).status === 200);
    stack.apps.wiki.requests.length = 0;
  };

  /** One request through the proxy to an app or tenant of this stack, by its short name. */
  stack.request = (id, options) => request({ port: proxyPort, host: hosts[id], ...options });

  try {
    const client = (id, base) => ({
      id, secret: providerSecret,
      redirect: `${base}/login/${id.split('-')[1]}/callback`,
      afterLogout: [`${base}/signed-out`],
    });
    stack.provider = await startProvider(providerPort, [
      client('acme-staff', urls.acme), client('acme-partners', urls.acme), client('solo-staff', `${urls.solo}/oauth2`),
    ]);
    started.unshift(stack.provider);
    if (!providerDown) {
      await stack.provider.start();
    }
    stack.apps = {
      wiki: await starting(startApp('wiki', wikiPort)),
      board: await starting(startApp('board', boardPort)),
      notes: await starting(startApp('notes', notesPort)),
    };
    await stack.useProxy(nginx);
    stack.browser = await launchBrowser();
    started.unshift({ name: 'chromium', stop: () => stack.browser.close() });
  } catch (error) {
    await stack.stop(true);
    throw error;
  }

  return stack;
}
