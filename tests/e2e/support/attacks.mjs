// What somebody sends who is up to no good, as tables: the same for every proxy.
import { readFileSync } from 'node:fs';
import path from 'node:path';

import { repository } from './files.mjs';

/** Headers that claim another target than the one that is asked for: an open path of the wiki, or another app. */
export const forgedTargets = ({ urls, hosts }) => [
  { 'X-Original-URL': `${urls.wiki}/public/` },
  { 'X-Original-URI': '/public/' },
  { 'X-Original-Method': 'OPTIONS', 'X-Original-URL': `${urls.wiki}/public/` },
  { 'X-Forwarded-Uri': '/public/' },
  { 'X-Forwarded-Uri': '/public/', 'X-Forwarded-Host': hosts.wiki, 'X-Forwarded-Proto': 'http', 'X-Forwarded-Method': 'GET' },
  { 'X-Forwarded-Host': hosts.board, 'X-Forwarded-Uri': '/' },
  { 'X-Forwarded-Prefix': '/public', 'X-Forwarded-Port': '443' },
  { 'X-Rewrite-URL': '/public/' },
  { 'X-HTTP-Method-Override': 'GET' },
  { 'X-Auth-Request-Redirect': `${urls.wiki}/public/` },
  { 'X-Forwarded-For': 'a', 'X-Real-IP': 'b' },
  { 'X-Envoy-Original-Path': '/public/', 'X-Envoy-Original-Method': 'GET' },
  { Forwarded: 'for=127.0.0.1;host=board.acme.localhost;proto=https' },
  { Connection: 'X-Forwarded-Uri, X-Forwarded-Host, X-Original-URL, X-Forwarded-Method', 'X-Forwarded-Uri': '/public/' },
];

/** Paths of `/page`, `/admin` or nothing, written so that a careless reader takes them for the open `/public`. */
export const disguisedPaths = [
  '/page?x=/public', '/page?/public/', '/page%3Fx=/public', '/page%3F/public/', '/page%23/public', '/page/%23/../public',
  '/public/../page', '/public/..;/page', '/public;/../page', '/public/%2e%2e/page', '/public/%2E%2E%2Fpage', '/public%2f..%2fpage',
  '/public/..%2fpage', '/public/..%5cpage', '/public\\..\\page', '/public/%252e%252e/page', '/public//../page', '//page',
  '//public/../page', '/./page', '/page/.;/public', '/page/..;/public', '/%70age', '/publicity', '/public-page', '/PUBLIC/../page',
  '/public/.%00./page', '/public/%c0%ae%c0%ae/page', '/public/../../page', '/public/.../../../page', '/oauth2/../page',
  '/oauth2/..%2fpage', '/oauth2/%2e%2e/page', '/oauth2;/../page',
];

/** Ways of writing the header `name` that an app may read as `name`. */
export const aliasesOf = (name) => ['_', '.', '~', '!'].flatMap((letter) => [
  name.replaceAll('-', letter), name.replace('-', letter), name.replace(/-(?=[^-]*$)/u, letter),
]);

/** What monitoring calls itself. */
export const probes = [
  'kube-probe/1.31', 'ELB-HealthChecker/2.0', 'GoogleHC/1.0', 'Prometheus/3.0', 'Amazon-Route53-Health-Check-Service', 'Envoy/HC',
  'HAProxy', 'curl/8', 'doorward', '',
];

/** Cookies that are no session, with `own` among them, one that is. */
export const garbageCookies = ({ name, value }) => [
  `${name}=`, `${name}=%00`, `${name}="${value}"`, `${name}=${value}x`, `${name}=${value.slice(0, -1)}`, `${name}=${value.slice(1)}`,
  `${name}=${value}%20`, `${name.toLowerCase()}=${value}`, `${name}=${'A'.repeat(4000)}`, `${name}=\u00e9\u00ff`,
  `${name}=${value.toUpperCase()}`, '=', ';;;', '=;=;=', `x="; ${name}=${value}`.replaceAll(value, 'nothing'), `${name}==${value}`,
  `${name}=${value}, ${name}=${value}`, `${name}=${value}; ${name}=${value}`,
];

/** Request lines that are none, or have no meaning at all. */
export const malformedRequests = (host) => [
  'GET page HTTP/1.1', 'GET HTTP/1.1', 'GET  /page HTTP/1.1', 'GET /pa ge HTTP/1.1', 'GET /%zz HTTP/1.1', 'GET /% HTTP/1.1',
  'GET /%00 HTTP/1.1', 'GET /\u0000page HTTP/1.1', 'GET /page\u00ff HTTP/1.1', 'GET http:/// HTTP/1.1', 'GET http:/page HTTP/1.1',
  `GET http://${host}@evil.example/ HTTP/1.1`, `GET ftp://${host}/page HTTP/1.1`, 'GET ?x HTTP/1.1', 'GET * HTTP/1.1',
  'get /page HTTP/1.1', 'Get /page HTTP/1.1', 'GETT /page HTTP/1.1', 'G@T /page HTTP/1.1', 'GET\u0009/page HTTP/1.1',
  ' /page HTTP/1.1', 'GET /page HTTP/9.9', 'GET /page', `CONNECT ${host} HTTP/1.1`, 'TRACE /page HTTP/1.1',
].map((line) => `${line}\r\nHost: ${host}\r\nAccept: */*\r\nConnection: close\r\n\r\n`);

/** Values of `X-Forwarded-For` that are none. */
export const malformedAddresses = ['a', ',', ', ,', '127.0.0.1', '::1', '999.1.1.1', '127.0.0.1:x', '"', 'unknown', `${'1.1.1.1, '.repeat(500)}1.1.1.1`];

/** Addresses that nobody may be sent to; the notation is explained in the file. */
export function foreignTargets() {
  const lines = readFileSync(path.join(repository, 'tests/fixtures/redirects/refused.txt'), 'utf8').split('\n');
  return lines.filter((line) => line !== '' && !line.startsWith('#') && line !== '<x*0>')
    .map((line) => line
      .replace(/<U\+(?<code>[0-9A-F]+)>/gu, (_, code) => String.fromCodePoint(Number.parseInt(code, 16)))
      .replace(/<(?<text>[^<>]+)\*(?<times>\d+)>/gu, (_, text, times) => text.repeat(Number(times))));
}
