// Clients that remember what others change in turn: each must answer as one that looks before everything it does.
import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { Compare, CoordinationSession, CoordinationStore, CoordinationWrite } from "../../src/contract/index.ts";
import { zookeeperCoordinationStore } from "../../src/drivers/zookeeper/index.ts";
import { systemClock } from "../../src/runtime/index.ts";
import { sharedServer } from "../servers/shared-server.ts";
import { chance } from "../unit/coordinated/storm.ts";

const STEPS = 600;
const CLIENTS = 3;
const AREAS = ["one/area", "other/area"];
const NAMES = ["a", "b"];

type Key = Readonly<{ version: string; session: string | undefined }>;
type Client = { readonly store: CoordinationStore; session: CoordinationSession };

/** What must be there, and every version that a key ever had. */
class Model {
  readonly keys = new Map<string, Key>();
  readonly versions = new Map<string, string[]>();

  holds(compare: Compare): boolean {
    if ("session" in compare) return true;
    const version = this.keys.get(compare.key)?.version;
    return "absent" in compare ? version === undefined : version === compare.version;
  }

  wrote(writes: readonly CoordinationWrite[], versions: readonly string[]): void {
    for (const [index, write] of writes.entries()) {
      if ("delete" in write) {
        this.keys.delete(write.delete);
        continue;
      }
      const version = versions[index] ?? "";
      this.keys.set(write.put, { version, session: write.session });
      this.versions.set(write.put, [...(this.versions.get(write.put) ?? []), version]);
    }
  }

  ended({ id }: CoordinationSession): void {
    for (const [key, { session }] of this.keys) if (session === id) this.keys.delete(key);
  }

  below(prefix: string): readonly (readonly [key: string, version: string])[] {
    const found = [...this.keys].filter(([key]) => key.startsWith(prefix));
    return found.map(([key, { version }]) => [key, version] as const).toSorted(([a], [b]) => (a < b ? -1 : 1));
  }
}

/** Some keys, each at most once, of which some are written and some compared, by versions of now and of before. */
function transaction(
  below: (most: number) => number,
  model: Model,
  session: string,
): readonly [compares: readonly Compare[], writes: readonly CoordinationWrite[]] {
  const compares: Compare[] = [];
  const writes: CoordinationWrite[] = [];
  for (const key of AREAS.flatMap((area) => NAMES.map((name) => `${area}/${name}`))) {
    if (below(4) > 0) continue;
    const known = model.versions.get(key) ?? [];
    const version = below(3) === 0 ? known[known.length - 2 - below(3)] : model.keys.get(key)?.version;
    const kind = below(6);
    if (kind < 3) compares.push(version === undefined ? { key, absent: true } : { key, version });
    if (kind === 5) writes.push({ delete: key });
    else if (kind > 0) {
      const more = { ...(below(3) === 0 ? { session } : {}), ...(below(4) === 0 ? { unused: true } : {}) };
      writes.push({ put: key, value: Uint8Array.of(below(2)), ...more });
    }
  }
  return [compares, writes];
}

async function step(below: (most: number) => number, model: Model, client: Client): Promise<void> {
  const { store, session } = client;
  const area = AREAS[below(AREAS.length)] ?? "";
  const kind = below(20);
  if (kind === 0) {
    await session.close();
    model.ended(session);
    client.session = await store.openSession(30_000);
  } else if (kind < 5) {
    const { entries } = await store.list(`${area}/`);
    expect(entries.map(({ key, version }) => [key, version])).toEqual(model.below(`${area}/`));
  } else {
    const [compares, writes] = transaction(below, model, session.id);
    if (compares.length + writes.length === 0) return;
    const result = await store.transact(compares, writes);
    expect(result.ok, JSON.stringify([compares, writes])).toBe(compares.every((compare) => model.holds(compare)));
    if (result.ok) model.wrote(writes, result.versions);
  }
}

const server = await sharedServer("zookeeper");
describe.runIf(server !== undefined)("clients in turn", () => {
  test.each([1, 2, 3, 4, 5])("each answers as one that remembers nothing (seed %i)", async (seed) => {
    const root = `/test-${randomUUID()}`;
    const clients = await Promise.all(
      Array.from({ length: CLIENTS }, async (): Promise<Client> => {
        const store = zookeeperCoordinationStore({ servers: [`127.0.0.1:${server?.port}`], root });
        await store.open({ clock: systemClock });
        return { store, session: await store.openSession(30_000) };
      }),
    );
    const [below, model] = [chance(seed), new Model()];
    try {
      for (let done = 0; done < STEPS; done += 1) {
        const client = clients[below(CLIENTS)];
        if (client !== undefined) await step(below, model, client);
      }
      expect(model.versions.size).toBe(AREAS.length * NAMES.length);
    } finally {
      await Promise.all(clients.map(({ store }) => store.close()));
    }
  });
});
