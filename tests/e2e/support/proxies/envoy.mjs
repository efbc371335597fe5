// Envoy with `docs/proxies/envoy.yaml` (the check over HTTP) and `docs/proxies/envoy-grpc.yaml` (over gRPC).
import path from 'node:path';

import { envoyProgram } from '../files.mjs';
import { startProgram } from '../programs.mjs';
import { remote } from './identity.mjs';
import { addresses, render, write } from './recipe.mjs';

function start(recipe, more, folder, settings) {
  const main = write(folder, 'envoy', recipe, render(recipe, [
    ...more,
    ['address: 0.0.0.0, port_value: 443', `address: 127.0.0.1, port_value: ${settings.port}`],
    [/(?<=^ *- )# TLS begins here\n[^]*?# TLS ends here\n *(?=filters:)/gmu, ''],
    ['port_value: 4180', `port_value: ${settings.doorward}`],
    ['port_value: 8080', `port_value: ${settings.apps[0].port}`],
    ['port_value: 8081', `port_value: ${settings.apps[1].port}`],
    ...addresses(settings).slice(0, 3),
  ]));
  return startProgram('envoy', [envoyProgram, '--concurrency', '1', '--disable-hot-restart', '--log-level', 'warn', '-c', main], {
    log: path.join(folder, 'envoy.log'), cwd: path.dirname(main),
  });
}

export const envoy = {
  name: 'Envoy',
  page: 'envoy.md',
  identity: remote,
  start: (folder, settings) => start('envoy.yaml', [], folder, settings),
};

export const envoyOverGrpc = {
  ...envoy,
  name: 'Envoy over gRPC',
  start: (folder, settings) => start('envoy-grpc.yaml', [['port_value: 4182', `port_value: ${settings.grpc}`]], folder, settings),
};
