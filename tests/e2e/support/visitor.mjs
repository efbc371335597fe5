// A person without a browser, for providers whose pages load scripts from elsewhere: follows redirects, keeps cookies,
// sends forms.
import http from 'node:http';
import https from 'node:https';

import { navigation } from './network.mjs';

export class Visitor {
  #authority;
  #jars = new Map();

  /** `authority`: the certificate of an authority to trust, PEM. */
  constructor({ authority } = {}) {
    this.#authority = authority;
  }

  /** Opens `address`, and answers the page that it ends at: `{ url, status, text }`. */
  get(address) {
    return this.#open(new URL(address), 'GET');
  }

  /** Sends a form, and answers the page that it ends at. */
  send(address, fields) {
    return this.#open(new URL(address), 'POST', new URLSearchParams(fields).toString());
  }

  /** The cookies of the host of `address`, by name. */
  cookies(address) {
    const { host } = new URL(address);
    if (!this.#jars.has(host)) {
      this.#jars.set(host, new Map());
    }
    return this.#jars.get(host);
  }

  async #open(url, method, body) {
    for (let hops = 0; hops < 20; hops += 1) {
      const answer = await this.#ask(url, method, body);
      if (answer.status < 300 || answer.status > 399 || answer.location === undefined) {
        return { ...answer, url };
      }
      url = new URL(answer.location, url);
      method = 'GET';
      body = undefined;
    }
    throw new Error(`led in a circle, last to ${url}`);
  }

  #ask(url, method, body) {
    const jar = this.cookies(url);
    const headers = { ...navigation, host: url.host };
    if (jar.size > 0) {
      headers.cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    }
    if (body !== undefined) {
      headers['content-type'] = 'application/x-www-form-urlencoded';
      headers['content-length'] = Buffer.byteLength(body);
    }
    return new Promise((resolve, reject) => {
      const outgoing = (url.protocol === 'https:' ? https : http).request({
        // Names below localhost are this machine, whatever the system knows of them.
        host: '127.0.0.1', port: url.port, servername: url.hostname, path: `${url.pathname}${url.search}`, method, headers,
        agent: false, timeout: 30_000, ca: this.#authority,
      });
      outgoing.once('error', reject);
      outgoing.once('timeout', () => outgoing.destroy(new Error(`no answer in 30 s: ${method} ${url}`)));
      outgoing.once('response', (response) => {
        for (const line of response.headers['set-cookie'] ?? []) {
          const [, name, value] = line.match(/^([^=]+)=([^;]*)/u);
          if (/;\s*Max-Age=0/iu.test(line) || value === '') {
            jar.delete(name);
          } else {
            jar.set(name, value);
          }
        }
        const chunks = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () => resolve({
          status: response.statusCode, location: response.headers.location, text: Buffer.concat(chunks).toString('utf8'),
        }));
      });
      outgoing.end(body);
    });
  }
}

/** The hidden fields of a page's form, by name. */
export function hiddenFields(text) {
  const entities = { '&quot;': '"', '&apos;': "'", '&#39;': "'", '&lt;': '<', '&gt;': '>', '&amp;': '&' };
  return Object.fromEntries([...text.matchAll(/<input\s[^>]*>/gu)].map(([input]) => [
    input.match(/\sname="([^"]*)"/u)?.[1],
    (input.match(/\svalue="([^"]*)"/u)?.[1] ?? '').replaceAll(/&(?:quot|apos|#39|lt|gt|amp);/gu, (entity) => entities[entity]),
  ]));
}
