import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/**
 * Between a driver and its server. `steal(words)` lets the next call through whose bytes match, and cuts the connection when its answer
 * comes: the driver never sees it. `cut` ends all connections at once, as the death of the process does.
 */
export type Wire = Readonly<{
  port: number;
  steal(words: RegExp): void;
  cut(): void;
  /** What the server says is kept, until it is released: in one piece to each client. */
  hold(): Readonly<{ isReady: () => boolean; release: () => void }>;
  /** Bytes are taken and go nowhere, new connections included, until `false`. */
  silence(on: boolean): void;
  close(): Promise<void>;
}>;

export async function startWire(host: string, port: number): Promise<Wire> {
  const sockets = new Set<Socket>();
  let held: Map<Socket, Buffer[]> | undefined;
  let wanted: RegExp | undefined;
  let silent = false;
  const server = createServer((client) => {
    const upstream = connect({ host, port, noDelay: true });
    client.setNoDelay(true);
    let stealing = false;
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        sockets.delete(socket);
        if (held?.has(client)) return; // the client has still to hear of it
        client.destroy();
        upstream.destroy();
      });
    }
    client.on("data", (chunk: Buffer) => {
      if (silent) return;
      if (wanted !== undefined && wanted.test(chunk.toString("latin1"))) {
        wanted = undefined;
        stealing = true;
      }
      upstream.write(chunk);
    });
    upstream.on("data", (chunk: Buffer) => {
      if (silent) return;
      if (held !== undefined) held.set(client, [...(held.get(client) ?? []), chunk]);
      else if (!stealing) client.write(chunk);
      // Ready for the next query, in its transaction's state: what was asked for is done.
      else if (chunk.at(-6) === 0x5a) client.destroy();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    hold: () => {
      const kept = (held = new Map<Socket, Buffer[]>());
      return {
        // The last message is ReadyForQuery.
        isReady: () => [...kept.values()].some((chunks) => chunks.at(-1)?.at(-6) === 0x5a),
        release: () => {
          held = undefined;
          for (const [client, chunks] of kept) client.end(Buffer.concat(chunks));
        },
      };
    },
    steal: (words) => void (wanted = words),
    cut,
    silence: (on) => void (silent = on),
    close: async () => {
      server.close();
      cut();
      await once(server, "close");
    },
  };
}
