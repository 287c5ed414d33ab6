import type { EtcdClient } from "./client/etcd-client.ts";
import { EtcdRefusal, STATUS, TooLarge } from "./client/failures.ts";
import type { EtcdEntry } from "./client/messages.ts";

export type Listing = Readonly<{ entries: readonly EtcdEntry[]; revision: bigint }>;
type Bounds = Readonly<{ after?: string | undefined; limit?: number | undefined }>;

/** Of an answer. Larger entries make it smaller. */
const PAGE = 1_000;
/** A listing whose revision was forgotten meanwhile begins again. */
const TRIES = 3;

/** Everything under a prefix at one revision, in pages, so that no answer grows beyond what a client should hold at once. */
export async function listKeys(client: EtcdClient, prefix: string, bounds: Bounds = {}): Promise<Listing> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await pages(client, prefix, bounds);
    } catch (error) {
      const isForgotten = error instanceof EtcdRefusal && error.status === STATUS.outOfRange;
      if (!isForgotten || tries === TRIES) throw error;
    }
  }
}

async function pages(client: EtcdClient, prefix: string, { after: first, limit = Infinity }: Bounds): Promise<Listing> {
  const entries: EtcdEntry[] = [];
  let revision: bigint | undefined;
  let page = PAGE;
  for (;;) {
    const after = entries.at(-1)?.key ?? first;
    const range = { prefix, limit: Math.min(page, limit - entries.length), ...given({ after, revision }) };
    try {
      const found = await client.range(range);
      revision ??= found.revision;
      entries.push(...found.entries);
      if (!found.more || entries.length >= limit) return { entries, revision };
    } catch (error) {
      if (!(error instanceof TooLarge) || page === 1) throw error;
      page = Math.ceil(page / 10);
    }
  }
}

function given({ after, revision }: Readonly<{ after: string | undefined; revision: bigint | undefined }>): object {
  return { ...(after === undefined ? {} : { after }), ...(revision === undefined ? {} : { revision }) };
}
