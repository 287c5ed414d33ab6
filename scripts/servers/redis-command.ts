import { readFileSync } from "node:fs";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { HOST } from "./server.ts";

const WAIT = 2_000;

export type RedisAddress = Readonly<{ port: number; password?: string | undefined; ca?: string | undefined }>;

/** Sends one command on a connection of its own and resolves to its reply, a line or a string. An error reply rejects. */
export function redisCommand({ port, password, ca }: RedisAddress, ...words: readonly string[]): Promise<string> {
  const commands = password === undefined ? [words] : [["AUTH", password], words];
  const socket: Socket =
    ca === undefined ? connect(port, HOST) : connectTls({ port, host: HOST, ca: readFileSync(ca), servername: "" });
  return new Promise<string>((resolve, reject) => {
    let received = Buffer.alloc(0);
    socket.setTimeout(WAIT, () => reject(new Error(`Redis on port ${port} did not answer`)));
    socket.once("error", reject);
    socket.once("close", () => reject(new Error(`Redis on port ${port} closed the connection`)));
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      try {
        const replies = parse(received);
        if (replies.length === commands.length) resolve(replies.at(-1) ?? "");
      } catch (error) {
        reject(error as Error);
      }
    });
    socket.write(commands.map(encode).join(""));
  }).finally(() => socket.destroy());
}

function encode(words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("")}`;
}

/**
 * From what `INFO replication` says: a primary that must have replicas (min-replicas-to-write), and does not count enough of them as good. It does so up to a second
 * after they themselves say that they are linked.
 */
export function mayNotWrite(replication: string): boolean {
  return replication.includes("role:master") && replication.includes("min_slaves_good_slaves:0");
}

/** The complete replies so far: status lines, numbers and strings, which is all that our commands get. */
function parse(bytes: Buffer): readonly string[] {
  const replies: string[] = [];
  for (let at = 0; ;) {
    const end = bytes.indexOf("\r\n", at);
    if (end === -1) return replies;
    const line = bytes.toString("utf8", at, end);
    at = end + 2;
    if (line.startsWith("-")) throw new Error(line.slice(1));
    if (!line.startsWith("$")) {
      replies.push(line.slice(1));
      continue;
    }
    const length = Number(line.slice(1));
    if (bytes.length < at + length + 2) return replies;
    replies.push(bytes.toString("utf8", at, at + length));
    at += length + 2;
  }
}
