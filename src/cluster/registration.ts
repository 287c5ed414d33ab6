import type { CoordinationEntry, Version } from "../contract/index.ts";
import { JobferryError } from "../errors/index.ts";
import { sleep, type KeptSession } from "../runtime/index.ts";
import { bytesOfJson, objectOf } from "./json-bytes.ts";
import type { StoreLink } from "./store-link.ts";

const LOOK_AGAIN_MS = 50;
const LONGEST_LOOK_MS = 1_000;

export type NodeRecord = Readonly<{
  id: string;
  /** One process's time in the cluster: the same after it lost its session, another one after a restart. */
  incarnation: string;
  session: string;
  startedAt: number;
  info: unknown;
  load: unknown;
}>;

export function nodeRecordOf(entry: CoordinationEntry): NodeRecord | undefined {
  const found = objectOf(entry.value);
  if (found === undefined || typeof found["id"] !== "string" || typeof found["incarnation"] !== "string")
    return undefined;
  const { id, incarnation, session, startedAt, info, load } = found;
  return { id, incarnation, session: String(session), startedAt: Number(startedAt), info, load };
}

/** For what is not known before the store is asked: the session's name. */
const SESSION_BYTES = 256;

/** What others see of a node must fit into one value. @throws PAYLOAD_TOO_LARGE naming `field`, the last that was set. */
export function checkRecord(field: "info" | "load", record: Omit<NodeRecord, "session">, maxBytes: number): void {
  const bytes = bytesOfJson(record).length + SESSION_BYTES;
  if (bytes <= maxBytes) return;
  throw new JobferryError(
    "PAYLOAD_TOO_LARGE",
    `The node's record with this ${field} has ${bytes} bytes; the store takes ${maxBytes}, and info and load share them. Tell less, or keep it elsewhere and tell where.`,
  );
}

/**
 * Puts a node's key under its session. A key of the same incarnation is replaced: it is left from the session before. Any other one is waited
 * for until `joinMs` have passed, because after a crash it stays until its session ends. @returns the key's version.
 * @throws NODE_ID_TAKEN when it is still there then: it is renewed, so its node lives. SESSION_LOST. What the store says: at once when it is not worth
 * repeating, else when the time is over. `waits` is called once, where another one is waited for.
 */
export async function register(
  link: StoreLink,
  key: string,
  record: NodeRecord,
  session: KeptSession,
  joinMs: number,
  waits: () => void,
): Promise<Version | undefined> {
  const { store, clock } = link;
  const put = { put: key, value: bytesOfJson(record), session: session.id };
  const deadline = clock.monotonic() + joinMs;
  let refused: JobferryError | undefined;
  let isTold = false;
  for (let pause = LOOK_AGAIN_MS; ; pause = Math.min(2 * pause, LONGEST_LOOK_MS)) {
    if (!session.isLive) throw session.lost.reason;
    const found = await link.ask("Looking for the node's id", () => store.get(key));
    const known = found === undefined ? undefined : nodeRecordOf(found);
    // Also one that is there under this session, from a put without an answer: only an answer tells that it stays.
    if (found === undefined || known?.incarnation === record.incarnation) {
      const compare = found === undefined ? ({ key, absent: true } as const) : { key, version: found.version };
      // Not repeated here when its answer is lost: the next look tells what to compare with.
      refused = undefined;
      const result = await store.transact([compare], [put]).catch((error: unknown) => {
        refused = link.errorOf(error, "Registering the node");
        if (!refused.retryable) throw refused;
      });
      if (result?.ok) return result.versions[0];
    } else {
      refused = undefined;
      if (!isTold) waits();
      isTold = true;
    }
    const left = deadline - clock.monotonic();
    if (left <= 0) throw refused ?? taken(record.id);
    await sleep(clock, Math.min(pause, left), session.lost);
  }
}

function taken(nodeId: string): JobferryError {
  return new JobferryError(
    "NODE_ID_TAKEN",
    `A living node of this cluster has the id ${JSON.stringify(nodeId)}. Give each node an id of its own.`,
  );
}
