/** The stores that chaos can run on: one line a backend. */
import type { Capabilities, Driver } from "../../src/contract/index.ts";
import { rabbitmqDriver } from "../../src/drivers/rabbitmq/index.ts";
import { sqliteDriver } from "../../src/drivers/sqlite/index.ts";
import { silentLogger, systemClock } from "../../src/runtime/index.ts";

/** `sqlite:PATH`, `amqp://HOST:PORT?records=PATH` with failed jobs in a SQLite file. */
export function driverFor(url: string): Driver {
  const colon = url.indexOf(":");
  const rest = url.slice(colon + 1);
  switch (url.slice(0, colon)) {
    case "sqlite":
      return sqliteDriver({ path: rest });
    case "amqp":
      return onRabbitmq(url);
    default:
      throw new Error(`No chaos target for ${url.slice(0, colon)}:`);
  }
}

/** Where a run's jobs lie, in a folder of its own. */
export function urlFor(scheme: string, folder: string): string {
  return scheme === "sqlite" ? `sqlite:${folder}/jobs.db` : `${scheme}:`;
}

function onRabbitmq(url: string): Driver {
  const server = new URL(url);
  const path = server.searchParams.get("records");
  server.searchParams.delete("records");
  if (path === null) return rabbitmqDriver({ url: server.href });
  const driver = sqliteDriver({ path });
  const forever = { count: Infinity, ageMs: Infinity };
  let opening: Promise<Capabilities> | undefined;
  const open = (): Promise<Capabilities> =>
    (opening ??= driver.open({
      ...{ clock: systemClock, logger: silentLogger, retention: { completed: forever, failed: forever } },
    }));
  return rabbitmqDriver({ url: server.href }, { driver: driver as Driver, open });
}
