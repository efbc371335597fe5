// Apps to protect: they say what reached them, and nothing else.
import { createHash } from 'node:crypto';
import http from 'node:http';

/**
 * An app that answers with the request it got: a page for a person, JSON for a script. `requests` holds them all, so
 * that a test can say that nothing came through.
 */
export async function startApp(name, port) {
  const requests = [];
  const seenOf = ({ method, url, headers, rawHeaders }) => ({ app: name, method, url, headers, rawHeaders });
  const server = http.createServer(async (incoming, response) => {
    const seen = seenOf(incoming);
    requests.push(seen);
    seen.length = 0;
    for await (const chunk of incoming) {
      seen.length += chunk.length;
    }
    if (incoming.headers['sec-fetch-mode'] === 'navigate') {
      response.setHeader('content-type', 'text/html; charset=utf-8');
      // An app's own cookie, so that a test can see that the recipe leaves it alone.
      response.setHeader('set-cookie', `${name}-own=1; Path=/; SameSite=Lax`);
      response.end(page(name, seen));
    } else {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(seen));
    }
  });
  // A WebSocket handshake (RFC 6455 §4.2.2) that is accepted, a message, and the end: enough to see that it came through.
  server.on('upgrade', (incoming, socket) => {
    requests.push({ ...seenOf(incoming), upgrade: true });
    const accept = createHash('sha1').update(`${incoming.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
    socket.on('error', () => {});
    socket.end('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
      + `Sec-WebSocket-Accept: ${accept.digest('base64')}\r\n\r\n\x81\x05hello`, 'latin1');
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    name, port, requests,
    stop: () => new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    }),
  };
}

// Without it the browser asks for /favicon.ico at a time of its own, and tests count requests.
export const noIcon = '<link rel="icon" href="data:,">';

function page(name, seen) {
  const escaped = JSON.stringify(seen).replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<!doctype html><html lang="en"><head><title>${name}</title>${noIcon}</head><body><main><h1>${name}</h1>`
    + `<a href="/oauth2/sign_out">Sign out</a><pre id="seen">${escaped}</pre></main></body></html>`;
}
