import { once } from "node:events";
import { connect, createServer } from "node:net";
import { requestCounter } from "./request-counters.mjs";

/** A proxy in front of a server that counts connections, requests and bytes. No server alone tells its clients another address than that. */
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
