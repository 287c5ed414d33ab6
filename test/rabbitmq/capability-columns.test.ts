/** docs/capabilities.md says which of its columns the tests prove: a version that no test runs on must be named as such. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { sharedServer } from "../servers/shared-server.ts";
import { BOTH } from "./brokers.ts";

const servers = await Promise.all(BOTH.map((name) => sharedServer(name)));
const ran = servers.map((server) => /^\d+\.\d+/.exec(server?.version ?? "")?.[0]);

// Another machine may have other versions than CI.
it.runIf(ran.join() === "3.10,4.0")(
  "each RabbitMQ of the table is run in the tests, or the table says that it is not",
  () => {
    const table = readFileSync(new URL("../../docs/capabilities.md", import.meta.url), "utf8");
    const columns = [...table.matchAll(/\| rabbitmq ([\d.]+) /g)].map(([, version]) => version);
    const [, byHand, when] = /but for RabbitMQ ([\d.]+), on which it was run by hand \(([^)]+)\)/.exec(table) ?? [];
    expect(columns).toEqual([...ran, byHand]);
    expect(when).toMatch(/^\d+\.\d+\.\d+, on \d{4}-\d\d-\d\d$/);
    const guide = readFileSync(new URL("../../docs/backends/rabbitmq.md", import.meta.url), "utf8");
    expect(guide).toContain(`was run on ${String(when).replace(",", "")}`);
  },
);
