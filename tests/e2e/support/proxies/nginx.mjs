// nginx with `docs/proxies/nginx.conf`: see `../nginx.mjs`, where the rest of the tests have it from too.
import { startNginx } from '../nginx.mjs';
import { authRequest, remote } from './identity.mjs';

export const nginx = { name: 'nginx', page: 'nginx.md', identity: authRequest, start: startNginx };

/** The same, asked as Authelia is. */
export const nginxAuthRequest = {
  name: 'nginx as with Authelia',
  page: 'nginx.md',
  identity: remote,
  check: '/internal/doorward',
  start: (folder, settings) => startNginx(folder, { ...settings, recipe: 'nginx-auth-request.conf' }),
};
