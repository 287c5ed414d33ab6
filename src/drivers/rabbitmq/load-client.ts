import { JobferryError } from "../../errors/index.ts";
import type { AmqpClient } from "./client.ts";
import type { Settings } from "./options.ts";

/** RabbitMQ 4.1 and later refuse less than 8 KiB, which amqplib before 0.10.7 asks for by itself. */
const FRAME_BYTES = 131_072;

/** @throws CLIENT_MISSING; what amqplib throws. */
export async function openClient({ connect, url, tls, connectMs, heartbeatMs }: Settings): Promise<AmqpClient> {
  if (connect !== undefined) return connect();
  const target = new URL(url ?? "");
  if (!target.searchParams.has("heartbeat"))
    target.searchParams.set("heartbeat", String(Math.ceil(heartbeatMs / 1_000)));
  if (!target.searchParams.has("frameMax")) target.searchParams.set("frameMax", String(FRAME_BYTES));
  const amqplib = await load();
  const clientProperties = { connection_name: "jobferry" };
  return amqplib.connect(target.href, { noDelay: true, timeout: connectMs, clientProperties, ...tls });
}

async function load(): Promise<Readonly<{ connect: (url: string, options: object) => Promise<AmqpClient> }>> {
  try {
    return await import("amqplib");
  } catch (cause) {
    throw new JobferryError("CLIENT_MISSING", "RabbitMQ needs the library amqplib. Run: npm install amqplib", {
      cause,
    });
  }
}
