import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { connect as connectTls } from "node:tls";
import { HOST } from "./server.ts";

/** A connection that comes while the server starts may never be answered. */
const PATIENCE = 1_000;

export type ZookeeperPort = Readonly<{
  port: number;
  /** The file of the certificate to trust: then it is TLS. */
  ca?: string | undefined;
  /** The file of the key to that same certificate, to show it to a server that asks for one. */
  key?: string | undefined;
}>;

/** One of the server's words of four letters, such as `srvr`. "" from one that does not serve. */
export function zookeeperCommand({ port, ca, key }: ZookeeperPort, word: string): Promise<string> {
  const shown = ca === undefined || key === undefined ? {} : { cert: readFileSync(ca), key: readFileSync(key) };
  return new Promise((resolve, reject) => {
    const at = { host: HOST, port };
    const socket = ca === undefined ? connect(at) : connectTls({ ...at, ...shown, ca: readFileSync(ca) });
    let answer = "";
    socket.once(ca === undefined ? "connect" : "secureConnect", () => socket.write(word));
    socket.setTimeout(PATIENCE, () => socket.destroy());
    socket.on("data", (chunk: Buffer) => (answer += chunk.toString()));
    socket.once("error", reject);
    socket.once("close", () => resolve(answer));
  });
}

/** undefined while it does not serve: it answers, but without a mode, until there is a leader. */
export async function zookeeperMode(server: ZookeeperPort): Promise<string | undefined> {
  return /Mode: (\w+)/.exec(await zookeeperCommand(server, "srvr"))?.[1];
}
