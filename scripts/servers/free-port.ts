import { randomInt } from "node:crypto";
import { createServer } from "node:net";
import { HOST } from "./server.ts";

/**
 * Below the range from which Linux takes the ports of outgoing connections (32768): from inside it a client that reconnects to
 * a killed server would sooner or later be given that very port, connect to itself and keep the server from coming back.
 * Redis Cluster needs the port 10000 above as well.
 */
const FIRST = 11_000;
const LAST = 20_999;

/** Servers that start at once come to their ports later than they ask for them. */
const given = new Set<number>();

/** None is given twice. `also`: distances of further ports that have to be free, too. */
export async function freePort(also: readonly number[] = []): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST, LAST + 1);
    const all = [port, ...also.map((distance) => port + distance)];
    if (all.some((one) => given.has(one))) continue;
    for (const one of all) given.add(one);
    const free = await Promise.all(all.map(isFree));
    if (free.every(Boolean)) return port;
  }
}

/** As many as asked for, each another. */
export async function freePorts(count: number, also: readonly number[] = []): Promise<readonly number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freePort(also));
  return [...ports];
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, host: HOST, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
