// Tools and stores that break one thing each; every one has a case of the suite that says so.
import type {
  Compare,
  CoordinationEntry,
  CoordinationSession,
  CoordinationStore,
  CoordinationWrite,
  TransactResult,
  WatchEvent,
} from "../../../src/contract/index.ts";
import { Deferred, nextTurn } from "../../../src/runtime/index.ts";

export type BrokenStore = Readonly<{
  breaks: string;
  /** `group: name` of the case that catches it. */
  caughtBy: string;
  wrap(inner: CoordinationStore): CoordinationStore;
}>;

type Transact = CoordinationStore["transact"];
type Watch = CoordinationStore["watch"];

export function changed(inner: CoordinationStore, changes: Partial<CoordinationStore>): CoordinationStore {
  return {
    name: inner.name,
    capabilities: inner.capabilities,
    open: (context) => inner.open(context),
    close: () => inner.close(),
    classify: (error) => inner.classify(error),
    get: (key) => inner.get(key),
    list: (prefix, options) => inner.list(prefix, options),
    transact: (compares, writes) => inner.transact(compares, writes),
    watch: (prefix, options) => inner.watch(prefix, options),
    openSession: (ttlMs) => inner.openSession(ttlMs),
    ...changes,
  };
}

const transacting =
  (change: (inner: CoordinationStore) => Transact) =>
  (inner: CoordinationStore): CoordinationStore =>
    changed(inner, { transact: change(inner) });

const watching =
  (change: (inner: CoordinationStore) => Watch) =>
  (inner: CoordinationStore): CoordinationStore =>
    changed(inner, { watch: change(inner) });

/** Events as they pass; undefined swallows one. */
const events =
  (change: (event: WatchEvent) => WatchEvent | undefined) =>
  (inner: CoordinationStore): CoordinationStore =>
    changed(inner, {
      async *watch(prefix, options) {
        for await (const event of inner.watch(prefix, options)) {
          const told = change(event);
          if (told !== undefined) yield told;
        }
      },
    });

const sessions =
  (change: (session: CoordinationSession, inner: CoordinationStore) => Partial<CoordinationSession>) =>
  (inner: CoordinationStore): CoordinationStore =>
    changed(inner, {
      openSession: async (ttlMs) => {
        const session = await inner.openSession(ttlMs);
        const { id } = session;
        return { id, renew: () => session.renew(), close: () => session.close(), ...change(session, inner) };
      },
    });

function turn(): Promise<void> {
  const next = new Deferred();
  nextTurn(next.resolve);
  return next.promise;
}

/** Looks first and writes then, in two steps. */
const readsThenWrites = (inner: CoordinationStore): Transact => {
  return async (compares, writes): Promise<TransactResult> => {
    for (const compare of compares) {
      if ("session" in compare) continue;
      const found = await inner.get(compare.key);
      if ("absent" in compare ? found !== undefined : found?.version !== compare.version) return { ok: false };
    }
    await turn();
    return inner.transact([], writes);
  };
};

const oneByOne = (inner: CoordinationStore): Transact => {
  return async (compares, writes): Promise<TransactResult> => {
    let result = await inner.transact(compares, writes.slice(0, 1));
    for (const write of writes.slice(1)) {
      if (!result.ok) return result;
      await turn();
      result = await inner.transact([], [write]);
    }
    return result.ok ? { ...result, versions: writes.map(() => (result.ok ? result.revision : "")) } : result;
  };
};

/** Each key counts for itself, and begins again when it was deleted. */
function countingVersions(inner: CoordinationStore): CoordinationStore {
  const shown = (entry: CoordinationEntry): CoordinationEntry => ({ ...entry, version: perKey(entry) });
  const perKey = (entry: CoordinationEntry): string => String((entry.value.length % 3) + 1);
  return changed(inner, {
    get: async (key) => {
      const found = await inner.get(key);
      return found === undefined ? undefined : shown(found);
    },
    transact: async (compares, writes) => {
      const result = await inner.transact(compares, writes);
      return result.ok ? { ...result, versions: writes.map(() => "1") } : result;
    },
  });
}

/** Numbers are given before the commit, which takes one time longer than another: PostgreSQL's sequences without a lock. */
const outOfOrder = (): ((inner: CoordinationStore) => CoordinationStore) => {
  const numbers = new Map<string, string>();
  let given = 0;
  const shown = (entry: CoordinationEntry): CoordinationEntry => ({
    ...entry,
    version: numbers.get(`${entry.key} ${entry.version}`) ?? entry.version,
  });
  return (inner) =>
    changed(inner, {
      transact: async (compares: readonly Compare[], writes: readonly CoordinationWrite[]) => {
        given += 1;
        const number = given;
        for (let wait = 0; wait < (number % 3) * 2; wait += 1) await turn();
        const result = await inner.transact(compares, writes);
        if (!result.ok) return result;
        const versions = writes.map((write, index) => {
          if ("put" in write) numbers.set(`${write.put} ${result.versions[index]}`, String(number));
          return String(number);
        });
        return { ...result, versions };
      },
      list: async (prefix, options) => {
        const { entries, revision } = await inner.list(prefix, options);
        return { entries: entries.map(shown), revision };
      },
    });
};

const RAISED = { valueBytes: 2 ** 40, operations: 2 ** 20, keyBytes: 2 ** 20, transactionBytes: 2 ** 40 };

export const brokenStores: readonly BrokenStore[] = [
  {
    breaks: "compares count",
    caughtBy: "compare-and-set: a version that is not the newest changes nothing",
    wrap: transacting((inner) => (_compares, writes) => inner.transact([], writes)),
  },
  {
    breaks: "compare and write are one step",
    caughtBy: "compare-and-set: of many that write at once on one condition exactly one counts",
    wrap: transacting(readsThenWrites),
  },
  {
    breaks: "compare and write are one step, for counters",
    caughtBy: "compare-and-set: no addition is lost among several clients",
    wrap: transacting(readsThenWrites),
  },
  {
    breaks: "a transaction is one step for readers",
    caughtBy: "compare-and-set: a transaction as large as the store takes is one step for every reader",
    wrap: transacting(oneByOne),
  },
  {
    breaks: "all or nothing",
    caughtBy: "compare-and-set: all or nothing: one compare of several that fails stops every write",
    wrap: transacting((inner) => (compares, writes) => inner.transact(compares.slice(0, 1), writes)),
  },
  {
    breaks: "absent is compared",
    caughtBy: "compare-and-set: absent holds for a key that is not there, and only then",
    wrap: transacting(
      (inner) => (compares, writes) =>
        inner.transact(
          compares.filter((compare) => !("absent" in compare)),
          writes,
        ),
    ),
  },
  {
    breaks: "versions rise over delete and create",
    caughtBy: "versions: the version of a key only rises, also over delete and create and the end of a session",
    wrap: countingVersions,
  },
  {
    breaks: "a put of a key that is thought to be unused raises its version",
    caughtBy:
      "versions: a put of a key that is thought to be unused and is there raises its version, also with the same value",
    wrap: transacting((inner) => async (compares, writes) => {
      const [write] = writes;
      const found =
        write !== undefined && "put" in write && write.unused === true ? await inner.get(write.put) : undefined;
      // As Consul, where the value is the same.
      if (found !== undefined) return { ok: true, revision: found.version, versions: [found.version] };
      return inner.transact(compares, writes);
    }),
  },
  {
    breaks: "commits are seen in the order of their versions",
    caughtBy: "versions: commits are seen in the order of their versions: none appears below one that was seen",
    wrap: outOfOrder(),
  },
  {
    breaks: "what was put is kept, not the program's own bytes",
    caughtBy: "keys: what a program does to a value later changes nothing",
    wrap: (inner) => {
      const written = new Map<string, Uint8Array>();
      return changed(inner, {
        get: async (key) => {
          const found = await inner.get(key);
          return found === undefined ? undefined : { ...found, value: written.get(key) ?? found.value };
        },
        transact: async (compares, writes) => {
          for (const write of writes) if ("put" in write) written.set(write.put, write.value);
          return inner.transact(compares, writes);
        },
      });
    },
  },
  {
    breaks: "list is as new as the client's own last write",
    caughtBy: "keys: list shows values and versions as get does, and is never older than the client's own last write",
    wrap: (inner) => {
      let cached: Awaited<ReturnType<CoordinationStore["list"]>> | undefined;
      return changed(inner, {
        list: async (prefix, options) => {
          const before = cached;
          cached = await inner.list(prefix, options);
          return before ?? cached;
        },
      });
    },
  },
  {
    breaks: "list heeds after and limit",
    caughtBy: "keys: list gives a prefix in the order of the bytes, with limit and after",
    wrap: (inner) => changed(inner, { list: (prefix) => inner.list(prefix) }),
  },
  {
    breaks: "a watch begins with everything",
    caughtBy: "watches: a watch begins with everything that is there",
    wrap: events((event) => (event.kind === "reset" ? { ...event, entries: [] } : event)),
  },
  {
    breaks: "deletes are watched",
    caughtBy: "watches: a watcher sees puts, changes and deletes of every client within the lag",
    wrap: events((event) => (event.kind === "change" ? { ...event, removed: [] } : event)),
  },
  {
    breaks: "a key made anew is a change",
    caughtBy: "watches: a key that was deleted and made again with the same value is told as changed",
    wrap: (inner) => {
      const told = new Map<string, string>();
      const isNew = ({ key, value }: CoordinationEntry): boolean => {
        const text = Buffer.from(value).toString("hex");
        const known = told.get(key) === text;
        told.set(key, text);
        return !known;
      };
      return events((event) => ({ ...event, entries: event.entries.filter(isNew) }))(inner);
    },
  },
  {
    breaks: "a watch from a revision tells what came after it",
    caughtBy: "watches: list, then watch from its revision: nothing in between is missed",
    wrap: watching(
      (inner) =>
        async function* watch(prefix, options) {
          // Starts now, whatever was asked.
          let started = options.from === undefined;
          for await (const event of inner.watch(prefix, { signal: options.signal })) {
            if (started) yield event;
            started = true;
          }
        },
    ),
  },
  {
    breaks: "a delete between list and watch is told",
    caughtBy: "watches: list, then watch from its revision: a delete in between is told, or everything is",
    wrap: watching(
      (inner) =>
        async function* watch(prefix, options) {
          for await (const event of inner.watch(prefix, options)) {
            const hides = options.from !== undefined && event.kind === "reset";
            yield hides ? { ...event, kind: "change", removed: [] } : event;
          }
        },
    ),
  },
  {
    breaks: "a slow watcher ends in the last state",
    caughtBy: "watches: a watcher that is slow to take events still ends in the last state",
    wrap: watching(
      (inner) =>
        async function* watch(prefix, options) {
          let sent = 0;
          for await (const event of inner.watch(prefix, options)) {
            sent += 1;
            // A buffer of one that drops what does not fit.
            if (sent <= 1) yield event;
          }
        },
    ),
  },
  {
    breaks: "a watch stays inside of its prefix",
    caughtBy: "watches: a watch tells its own prefix only, and a watch of one key that key",
    wrap: watching((inner) => (prefix, options) => inner.watch(prefix.slice(0, prefix.lastIndexOf("/") + 1), options)),
  },
  {
    breaks: "a watch that was cut off comes back",
    caughtBy: "watches: a watcher that was cut off ends in the last state when the connection is back",
    wrap: watching(
      (inner) =>
        async function* watch(prefix, options) {
          try {
            yield* inner.watch(prefix, options);
          } catch {
            // Silent, and for ever.
            await new Promise<void>((resolve) => options.signal.addEventListener("abort", () => resolve()));
          }
        },
    ),
  },
  {
    breaks: "the signal ends a watch",
    caughtBy: "watches: the signal ends a watch, also one that waits",
    wrap: watching(
      (inner) => (prefix, options) => inner.watch(prefix, { ...options, signal: new AbortController().signal }),
    ),
  },
  {
    breaks: "a session ends when its holder died",
    caughtBy: "sessions: the end of a holder that died is seen by a third client, in time, as one write",
    wrap: (inner) => changed(inner, { openSession: () => inner.openSession(inner.capabilities.session.maxTtlMs) }),
  },
  {
    breaks: "a session lives for its time",
    caughtBy: "sessions: a session that is not renewed lives for its time to live",
    wrap: (inner) => changed(inner, { openSession: (ttlMs) => inner.openSession(ttlMs / 2) }),
  },
  {
    breaks: "a renewal counts",
    caughtBy: "sessions: a session that is renewed lives on",
    wrap: sessions(() => ({ renew: () => Promise.resolve("ok") })),
  },
  {
    breaks: "an ended session is lost",
    caughtBy: "sessions: an ended session is lost for good and can write nothing",
    wrap: sessions((session) => ({ renew: () => session.renew().then(() => "ok" as const) })),
  },
  {
    breaks: "nothing is written under an ended session",
    caughtBy: "sessions: an ended session is lost for good and can write nothing",
    wrap: transacting((inner) => async (compares, writes) => {
      const result = await inner.transact(compares, writes);
      if (result.ok || compares.length > 0) return result;
      return inner.transact(
        [],
        writes.map((write) => ("put" in write ? { put: write.put, value: write.value } : write)),
      );
    }),
  },
  {
    breaks: "a session's end removes its keys",
    caughtBy: "sessions: the end of a session removes its keys in one write, and nothing else",
    wrap: sessions(() => ({ close: () => Promise.resolve() })),
  },
  {
    breaks: "a session's keys go in one write",
    caughtBy: "sessions: the end of a holder that died is seen by a third client, in time, as one write",
    wrap: events((event) =>
      event.kind === "change" && event.removed.length > 1 ? { ...event, removed: event.removed.slice(0, 1) } : event,
    ),
  },
  {
    breaks: "the last put decides who owns a key",
    caughtBy: "sessions: the last put decides who owns a key",
    wrap: (inner) => {
      const owners = new Map<string, string>();
      return transacting((store) => (compares, writes) => {
        const owned = writes.map((write) => {
          if (!("put" in write)) return write;
          const session = write.session ?? owners.get(write.put);
          if (session !== undefined) owners.set(write.put, session);
          return session === undefined ? write : { ...write, session };
        });
        return store.transact(compares, owned);
      })(inner);
    },
  },
  {
    breaks: "a put of a key that is thought to be unused decides who owns it",
    caughtBy: "sessions: a put of a key that is thought to be unused and is another session's decides who owns it, too",
    wrap: transacting((inner) => (compares, writes) => {
      const bare = writes.map((write) =>
        "put" in write && write.unused === true ? { put: write.put, value: write.value } : write,
      );
      return inner.transact(compares, bare);
    }),
  },
  {
    breaks: "a holder that was cut off is lost",
    caughtBy:
      "sessions: a holder that was cut off past its time is lost when it is back, and never gets its keys again",
    wrap: sessions((session) => ({ renew: () => session.renew().then(() => "ok" as const) })),
  },
  {
    breaks: "a lost answer is no refusal",
    caughtBy: "unknown answers: a lost answer rejects, and reading back tells what happened",
    wrap: transacting(
      (inner) => (compares, writes) => inner.transact(compares, writes).catch(() => ({ ok: false as const })),
    ),
  },
  {
    breaks: "a lost answer is not repeated in silence",
    caughtBy: "unknown answers: repeating it on the same condition does not count twice",
    wrap: transacting(
      (inner) => (compares, writes) => inner.transact(compares, writes).catch(() => inner.transact(compares, writes)),
    ),
  },
  {
    breaks: "limits are the ones that hold",
    caughtBy: "limits: a transaction with too many operations, or with none, is INVALID_ARGUMENT",
    wrap: (inner) => changed(inner, { capabilities: { ...inner.capabilities, limits: { ...RAISED, operations: 10 } } }),
  },
  {
    breaks: "a large value is told as such",
    caughtBy: "limits: a value that is too large is PAYLOAD_TOO_LARGE, before anything is stored",
    wrap: (inner) => changed(inner, { classify: () => ({ code: "UNEXPECTED", retryable: false }) }),
  },
  {
    breaks: "close ends watches",
    caughtBy: "life cycle: close ends watches",
    wrap: (inner) => changed(inner, { close: () => Promise.resolve() }),
  },
  {
    breaks: "nothing works before open",
    caughtBy: "life cycle: calls before open are NOT_OPEN",
    wrap: (inner) => changed(inner, { get: () => Promise.resolve(undefined) }),
  },
  {
    breaks: "classify answers for whatever was thrown",
    caughtBy: "life cycle: classify answers for whatever was thrown",
    wrap: (inner) =>
      changed(inner, { classify: (error) => ({ code: (error as { code: "UNEXPECTED" }).code, retryable: false }) }),
  },
];
