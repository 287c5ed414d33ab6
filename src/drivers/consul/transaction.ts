import type { Compare, CoordinationWrite } from "../../contract/index.ts";
import { JobferryError } from "../../errors/index.ts";
import { isNewName } from "../shared/coordination-arguments.ts";
import { Refusal } from "./client/consul-errors.ts";
import { MAX_BODY_BYTES } from "./client/key-values.ts";
import type { Committed, KeyValues, Verb } from "./client/key-values.ts";

/** Of Consul from 1.15; before it was half of that. */
const MAX_VERBS = 128;
/** Of a put that may meet a key. */
export const VERBS_AN_OVERWRITE = 2;
/** Compares and writes together. */
export const MAX_OPERATIONS: number = MAX_VERBS;
const EMPTY: Uint8Array = new Uint8Array();

/**
 * At most this, every transaction fits into Consul's limits: 330,000 bytes x 4/3 as base64, whatever part of them is keys, and again as many bytes of names as
 * 64 puts that delete first, 64 KiB, with 16 KiB of what stands around 128 verbs: 510 KiB of the 512 KiB that Consul takes.
 */
export const LIMITS = { keyBytes: 1_024, valueBytes: 320_000, transactionBytes: 330_000 } as const;

/** Where the key lies that only a living session can hold: no key of ours has a "+". */
const markerOf = (session: string): string => `+sessions/${session}`;

/**
 * Deleted first: Consul's `set` leaves a key with the session that held it, and where the value is the same it does nothing at all, so that the
 * index would not rise.
 */
function verbsOf(compares: readonly Compare[], writes: readonly CoordinationWrite[]): readonly Verb[] {
  const absent = new Set<string>();
  const session = sessionIn(writes);
  const verbs: Verb[] = [];
  for (const compare of compares) {
    if ("session" in compare) {
      // A put under the same session is refused anyway when that has ended.
      if (session === undefined)
        verbs.push({ verb: "lock", key: markerOf(compare.session), value: EMPTY, session: compare.session });
    } else if ("absent" in compare) {
      absent.add(compare.key);
      verbs.push({ verb: "check-not-exists", key: compare.key });
    } else {
      verbs.push({ verb: "check-index", key: compare.key, index: indexOf(compare.version) });
    }
  }
  for (const write of writes) {
    if ("delete" in write) {
      verbs.push({ verb: "delete", key: write.delete });
      continue;
    }
    const { put: key, value } = write;
    // Of a key that is only thought to be unused the index must rise, too, where somebody has put the same value meanwhile.
    if (!absent.has(key) && !isNewName(write)) verbs.push({ verb: "delete", key });
    verbs.push(
      write.session === undefined ? { verb: "set", key, value } : { verb: "lock", key, value, session: write.session },
    );
  }
  return verbs;
}

function sessionIn(writes: readonly CoordinationWrite[]): string | undefined {
  for (const write of writes) if ("put" in write && write.session !== undefined) return write.session;
  return undefined;
}

/** An index that no key has, for a version that this store cannot have given. 0 would mean that there is no key. */
const NEVER = Number.MAX_SAFE_INTEGER;

function indexOf(version: string): number {
  return /^[1-9]\d{0,15}$/.test(version) ? Number(version) : NEVER;
}

/** Transactions within the limits of the server, which older ones tell only by refusing. */
export class Transactions {
  readonly #keys: KeyValues;
  #maxVerbs = MAX_VERBS;

  constructor(keys: KeyValues) {
    this.#keys = keys;
  }

  get operations(): number {
    return this.#maxVerbs;
  }

  /** Finds out what the server takes, without writing. */
  async learn(): Promise<void> {
    const verbs = Array.from({ length: MAX_VERBS }, (): Verb => ({ verb: "get-tree", key: "+none/" }));
    await this.#send(this.#keys.bodyOf(verbs)).catch((error: unknown) => {
      if (!(error instanceof Refusal) || !error.isTooManyVerbs) throw error;
    });
  }

  /** Within `limits` and `checkTransaction`. @throws what the client throws. */
  async run(
    compares: readonly Compare[],
    writes: readonly CoordinationWrite[],
  ): Promise<Extract<Committed, { ok: true }> | undefined> {
    const verbs = verbsOf(compares, writes);
    const body = this.#keys.bodyOf(verbs);
    if (body.length > MAX_BODY_BYTES) throw tooLarge(body.length);
    const committed = await this.#send(body);
    if (committed.ok) return committed;
    // Only conditions and locks can be refused: anything else would be told as a condition that does not hold.
    const odd = committed.refused.find(({ at }) => ["set", "delete"].includes(verbs[at]?.verb ?? "set"));
    if (odd !== undefined) throw new Refusal(409, odd.what);
    return undefined;
  }

  async #send(body: string): Promise<Committed> {
    try {
      return await this.#keys.commit(body);
    } catch (error) {
      const isOver = error instanceof Refusal && error.isTooManyVerbs;
      const most = isOver ? /\(\d+ > (\d+)\)/.exec(error.text)?.[1] : undefined;
      if (most !== undefined) this.#maxVerbs = Math.min(this.#maxVerbs, Number(most));
      throw error;
    }
  }
}

function tooLarge(bytes: number): JobferryError {
  return new JobferryError(
    "PAYLOAD_TOO_LARGE",
    `The transaction has ${bytes} bytes as JSON; Consul takes ${MAX_BODY_BYTES}. Send less.`,
  );
}
