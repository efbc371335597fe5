// The documentation's own files, with as little in them changed as a test on one machine needs.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { repository } from '../files.mjs';

const folder = path.join(repository, 'docs/proxies');

/** The text of `docs/proxies/{name}`. */
export function read(name) {
  return readFileSync(path.join(folder, name), 'utf8');
}

/**
 * The recipe `name` with each of `changes`, `[from, to]`, made wherever it occurs. What is to be changed must be there: a
 * recipe that changed its words fails here, not somewhere else later. `from` is a text, or a regular expression with `g`.
 */
export function render(name, changes) {
  let text = read(name);
  for (const [from, to] of changes) {
    const changed = text.replaceAll(from, () => to);
    if (changed === text) {
      throw new Error(`docs/proxies/${name} no longer has: ${from}`);
    }
    text = changed;
  }
  return text;
}

/** Names and addresses of the recipes, and what they are in a test. */
export function addresses({ doorward, tenants: [login], apps: [wiki, board] }) {
  return [
    ['login.example.com', login],
    ['wiki.example.com', wiki.host],
    ['board.example.com', board.host],
    ['127.0.0.1:4180', `127.0.0.1:${doorward}`],
    ['127.0.0.1:8080', `127.0.0.1:${wiki.port}`],
    ['127.0.0.1:8081', `127.0.0.1:${board.port}`],
  ];
}

/** What the page `name` says that Doorward has to know about the proxy: its `[[server.trusted_proxies]]`. */
export function trustedProxies(name) {
  const [, block] = /^```toml\n[^`]*?(\[\[server\.trusted_proxies\]\]\n(?:[^\n[][^\n]*\n)+)/mu.exec(read(name)) ?? [];
  if (!block) {
    throw new Error(`docs/proxies/${name} no longer says what Doorward has to know about the proxy`);
  }
  return block;
}

/** Writes `text` to a file of the proxy's own folder below `folder`. Answers its path. */
export function write(folderOfStack, proxy, name, text) {
  const own = path.join(folderOfStack, proxy);
  mkdirSync(own, { recursive: true });
  const file = path.join(own, name);
  writeFileSync(file, text);
  return file;
}
