import { afterAll } from "vitest";
import { rabbitmqTarget } from "../rabbitmq/target.ts";
import { sharedServer } from "../servers/shared-server.ts";
import { runSuite } from "./run-suite.ts";

const server = await sharedServer("rabbitmq-4");
if (server !== undefined) {
  const target = await rabbitmqTarget(server.url, { records: true });
  afterAll(() => target.end());
  await runSuite(`rabbitmq ${server.version}, records in memory`, target);
}
