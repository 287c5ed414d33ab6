/**
 * A transaction that has its version and has not committed: later ones of the same area wait for it, so no commit appears below a version that
 * somebody has seen. The race is made by hand, with the store's own function held open in a session of its own.
 */
import pg from "pg";
import { afterAll, describe, expect, test } from "vitest";
import type { CoordinationStore, WatchEvent } from "../../src/contract/index.ts";
import { postgresCoordinationStore } from "../../src/drivers/postgres/index.ts";
import { systemClock } from "../../src/runtime/index.ts";
import { sharedServer } from "../servers/shared-server.ts";
import { makeDatabase } from "./database.ts";

const server = await sharedServer("postgres");
const HELD = `SELECT ordered.keys_transact('{a/b}', NULL, '{}', '{}', '{a/b/first}', '{0}', ARRAY['\\x31'::bytea], '{}', NULL) AS version`;

describe.runIf(server)("commits out of order on PostgreSQL", async () => {
  if (server === undefined) return;
  const database = await makeDatabase(server, "commit_order");
  afterAll(() => database.drop());

  const opened = async (): Promise<CoordinationStore> => {
    const store = postgresCoordinationStore({ url: database.url, schema: "ordered" });
    await store.open({ clock: systemClock });
    return store;
  };

  test("do not happen in one area: the second waits for the first, and a watch from before sees both", async () => {
    const [writer, reader] = [await opened(), await opened()];
    const seen = new Map<string, string>();
    const stop = new AbortController();
    const watching = follow(reader.watch("a/b/", { signal: stop.signal }), seen);
    const slow = new pg.Client(database.url);
    slow.on("error", () => undefined);
    await slow.connect();
    await slow.query("BEGIN");
    const first = String((await slow.query<{ version: string }>(HELD)).rows[0]?.version);

    const events: string[] = [];
    const second = writer
      .transact([], [{ put: "a/b/second", value: Uint8Array.of(50) }])
      .then((result) => (events.push("second"), result));
    await expect.poll(waiting, { timeout: 10_000 }).toBe(1);
    // Beside it nothing waits, and nobody sees what is not committed.
    expect((await writer.transact([], [{ put: "a/c/other", value: Uint8Array.of(51) }])).ok).toBe(true);
    expect((await reader.list("a/b/")).entries).toEqual([]);
    expect([events, [...seen.keys()]]).toEqual([[], []]);

    await slow.query("COMMIT");
    const result = await second;
    const later = result.ok ? result.versions[0] : undefined;
    expect(BigInt(later ?? "0")).toBeGreaterThan(BigInt(first));
    await expect
      .poll(() => Object.fromEntries(seen), { timeout: 10_000 })
      .toEqual({ "a/b/first": first, "a/b/second": later });
    stop.abort();
    await watching;
    await slow.end();
    await writer.close();
    await reader.close();
  });

  /** How many wait for a row that another transaction has. */
  async function waiting(): Promise<number> {
    const rows = await database.query(
      "SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    );
    return Number(rows[0]?.["n"]);
  }
});

async function follow(events: AsyncIterable<WatchEvent>, seen: Map<string, string>): Promise<void> {
  for await (const { entries } of events) for (const { key, version } of entries) seen.set(key, version);
}
