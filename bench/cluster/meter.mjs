import { once } from "node:events";
import { connect, createServer } from "node:net";

/** A proxy in front of a server that counts connections, requests and bytes. */
export async function startMeter(kind, url) {
  const seen = { connections: 0, requests: 0, bytesUp: 0, bytesDown: 0 };
  const target = new URL(url);
  const sockets = new Set();
  const proxy = createServer((client) => {
    const server = connect(Number(target.port), target.hostname);
    const countRequests = requestCounter[kind](() => (seen.requests += 1));
    seen.connections += 1;
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
    }
    client.on("close", () => (seen.connections -= 1));
    client.on("data", (chunk) => {
      seen.bytesUp += chunk.length;
      countRequests(chunk);
    });
    server.on("data", (chunk) => (seen.bytesDown += chunk.length));
    client.pipe(server).pipe(client);
  }).listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const through = new URL(url);
  through.port = String(proxy.address().port);
  return {
    url: through.href,
    read: () => ({ ...seen }),
    close: () => {
      for (const socket of sockets) socket.destroy();
      proxy.close();
    },
  };
}

/** Each cuts what a client sends into messages, and tells those that ask for an answer. */
const requestCounter = {
  redis: (told) => frames(respEnd, told),
  postgres: (told) => {
    let isStarted = false;
    const end = (bytes) => {
      if (bytes.length < 5) return 0;
      const length = isStarted ? 1 + bytes.readInt32BE(1) : bytes.readInt32BE(0);
      return bytes.length >= length ? length : 0;
    };
    return frames(end, (message) => {
      const type = String.fromCharCode(message[0]);
      if (isStarted && (type === "Q" || type === "S")) told();
      // A request for TLS comes before the start-up message.
      if (!isStarted && message.readInt32BE(4) === 196_608) isStarted = true;
    });
  },
};

function frames(endOf, told) {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    for (let end = endOf(rest); end > 0; end = endOf(rest)) {
      told(rest.subarray(0, end));
      rest = rest.subarray(end);
    }
  };
}

/** The end of one command in RESP; 0 when it is not whole. */
function respEnd(bytes) {
  const number = (from) => {
    const to = bytes.indexOf("\r\n", from);
    return to === -1 ? undefined : [Number(bytes.toString("latin1", from + 1, to)), to + 2];
  };
  const head = bytes.length === 0 ? undefined : number(0);
  if (head === undefined) return 0;
  let [left, at] = head;
  for (; left > 0; left -= 1) {
    const size = number(at);
    if (size === undefined) return 0;
    at = size[1] + size[0] + 2;
    if (at > bytes.length) return 0;
  }
  return at;
}
