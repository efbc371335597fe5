// Ports, and requests that say exactly what the test wants said: no header added, no path made tidy, no redirect followed.
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';

// Ports that the system gives to connections could be taken while the program that they are meant for starts, or is
// down for the length of a test. So they come from below that range, and from above what is well known.
const lowest = 12_000;
const taken = Number(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s/u)[0]);
// Some machines give nearly all of them to connections; then there is none that is safe.
const highest = taken > lowest + 1000 ? taken - 1 : 60_999;

function isFree(port) {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** `count` free ports of the loopback interface, all different. */
export async function freePorts(count) {
  const ports = new Set();
  while (ports.size < count) {
    const port = randomInt(lowest, highest + 1);
    if (await isFree(port)) {
      ports.add(port);
    }
  }
  return [...ports];
}

/**
 * One request to 127.0.0.1:`port`. `host` goes into the Host header (glibc does not resolve *.localhost);
 * `headers` is an object or, where names repeat, a flat list.
 */
export function request({ port, host, path = '/', method = 'GET', headers = {}, body, timeout = 30_000 }) {
  return new Promise((resolve, reject) => {
    const given = Array.isArray(headers) ? headers : Object.entries(headers).flat();
    const outgoing = http.request({
      host: '127.0.0.1', port, method, path, agent: false, setHost: false, timeout,
      headers: ['Host', host ?? `127.0.0.1:${port}`, 'Connection', 'close', ...given.map(String)],
    });
    outgoing.once('error', reject);
    outgoing.once('timeout', () => outgoing.destroy(new Error(`no answer in ${timeout} ms: ${method} ${path}`)));
    outgoing.once('response', (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        resolve({
          status: response.statusCode,
          headers: response.headers,
          cookies: response.headers['set-cookie'] ?? [],
          location: response.headers.location,
          text,
          json: () => JSON.parse(text),
        });
      });
    });
    outgoing.end(body);
  });
}

/**
 * Bytes as they are, for what an HTTP library would not send. Answers the status code, `NaN` where the other side ended the
 * connection without one.
 */
export function rawStatus(port, bytes) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', () => socket.write(bytes));
    let answer = '';
    socket.setTimeout(15_000, () => socket.destroy(new Error('no answer in 15 s')));
    socket.on('data', (chunk) => { answer += chunk.toString('latin1'); });
    // A server that refuses the bytes may end the connection before it has read them all.
    socket.once('error', (error) => (error.code === 'ECONNRESET' ? undefined : reject(error)));
    socket.once('close', () => resolve({ status: Number(answer.split(' ')[1]), text: answer }));
  });
}

/** What a browser sends when a person opens an address. */
export const navigation = {
  accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
  'sec-fetch-dest': 'document',
  'sec-fetch-mode': 'navigate',
  'sec-fetch-site': 'none',
  'sec-fetch-user': '?1',
};

/** What a browser sends when a page's script asks for data. */
export const script = {
  accept: '*/*',
  'sec-fetch-dest': 'empty',
  'sec-fetch-mode': 'cors',
  'sec-fetch-site': 'same-origin',
};
