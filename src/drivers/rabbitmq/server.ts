import { UnsupportedError } from "../../errors/index.ts";

/** Message TTL and at-least-once dead lettering of quorum queues begin here: without them a delayed job could be lost. */
const OLDEST = [3, 10] as const;

export type Server = Readonly<{ version: string; major: number; minor: number }>;

/** @throws UNSUPPORTED for another product or a version that is too old. */
export function checkServer(properties: object): Server {
  const { product, version } = properties as Readonly<{ product?: unknown; version?: unknown }>;
  const [, major = 0, minor = 0] = (/^(\d+)\.(\d+)/.exec(String(version)) ?? []).map(Number);
  const isOld = major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]);
  if (product === "RabbitMQ" && !isOld) return { version: String(version), major, minor };
  throw new UnsupportedError(
    "server",
    `The server is ${String(product)} ${String(version)}; this driver needs RabbitMQ ${OLDEST.join(".")} or later. Upgrade the server.`,
  );
}
