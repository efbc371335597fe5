// nginx with `docs/proxies/nginx.conf`: see `../nginx.mjs`, where the rest of the tests have it from too.
import { startNginx } from '../nginx.mjs';
import { authRequest } from './identity.mjs';

export const nginx = { name: 'nginx', page: 'nginx.md', identity: authRequest, start: startNginx };
