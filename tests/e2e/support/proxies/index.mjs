// Every proxy that the documentation has a recipe for. `start(folder, settings)` answers the program; `settings` are
// `{ port, doorward, grpc, tenants: [host], apps: [{ host, port }] }`, and the apps are the wiki, the board and, for who can do
// it, the one that shares its host with its tenant. `page` is the page in `docs/proxies`, `identity` what the recipe tells
// apps about people.
export { apache } from './apache.mjs';
export { caddy } from './caddy.mjs';
export { envoy, envoyOverGrpc } from './envoy.mjs';
export { haproxy } from './haproxy.mjs';
export { nginx } from './nginx.mjs';
export { traefik } from './traefik.mjs';
