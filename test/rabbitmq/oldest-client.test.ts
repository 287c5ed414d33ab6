/** The oldest supported amqplib, with its own defaults but for frames: the floor of the optional peer dependency is proven here. */
import { createRequire } from "node:module";
import { expect, it } from "vitest";
import type { AmqpClient } from "../../src/entry/rabbitmq.ts";
import { runConformance } from "../../src/testing/conformance/index.ts";
import { sharedServer } from "../servers/shared-server.ts";
import { BOTH } from "./brokers.ts";
import { rabbitmqTarget } from "./target.ts";

const require = createRequire(import.meta.url);
const { connect } = require("amqplib-oldest") as { connect: (url: string, options?: object) => Promise<AmqpClient> };
const GROUPS = new Set(["push", "finish", "reserve", "leases", "life cycle", "clear"]);

for (const name of BOTH) {
  const server = await sharedServer(name);
  if (server === undefined) continue;
  it.concurrent(`amqplib ${(require("amqplib-oldest/package.json") as { version: string }).version} on ${name} ${server.version}`, async () => {
    const target = await rabbitmqTarget(server.url, { connect });
    const { outcomes, passed } = await runConformance(target, { only: ({ group }) => GROUPS.has(group) });
    await target.end();
    const failures = outcomes.flatMap((one) =>
      one.status === "failed" ? [`${one.group}: ${one.name}: ${String(one.error)}`] : [],
    );
    expect(failures).toEqual([]);
    expect(passed).toBeGreaterThan(60);
  });
}
