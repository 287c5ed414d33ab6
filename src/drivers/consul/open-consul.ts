import type { Clock } from "../../contract/index.ts";
import { JobferryError } from "../../errors/index.ts";
import { settledWithin, sleep } from "../../runtime/index.ts";
import { BlockingQueries } from "./blocking-queries.ts";
import { ConsulClient } from "./client/consul-client.ts";
import { NoAnswer, Refusal } from "./client/consul-errors.ts";
import { KeyValues } from "./client/key-values.ts";
import { Sessions } from "./client/sessions.ts";
import { wantsTls } from "./errors.ts";
import type { Settings } from "./options.ts";
import { Revisions } from "./revisions.ts";
import { Transactions } from "./transaction.ts";

/** Of keys, markers of sessions and values. A later version of Jobferry that reads no older one raises it. */
const LAYOUT = 1;
const LAYOUT_KEY = "+layout";
const AGAIN_AFTER_MS = 100;

export type Opened = Readonly<{
  client: ConsulClient;
  keys: KeyValues;
  transactions: Transactions;
  sessions: Sessions;
  queries: BlockingQueries;
  revisions: Revisions;
}>;

/**
 * Waits for a leader, but not for a server that refuses connections.
 * @throws what `classify` explains; STORE_NEWER.
 */
export async function openConsul(settings: Settings, clock: Clock): Promise<Opened> {
  const { address, token, tls, callMs, connectMs, prefix } = settings;
  const client = new ConsulClient({ address, token, tls, callMs, clock });
  const keys = new KeyValues(client, `${prefix}/`);
  const transactions = new Transactions(keys);
  const until = clock.monotonic() + connectMs;
  try {
    await whileLeaderless(client, settings, clock, until, async () => {
      await checkLayout(keys, prefix);
      await transactions.learn();
    });
  } catch (error) {
    client.close();
    throw (tls === undefined ? await wantsTls(error, address, until - clock.monotonic()) : undefined) ?? error;
  }
  const sessions = new Sessions(client, address.shown);
  const queries = new BlockingQueries(keys, clock);
  return { client, keys, transactions, sessions, queries, revisions: new Revisions(clock) };
}

/** Ends at `until`, also in the middle of a call. */
async function whileLeaderless(
  client: ConsulClient,
  { address, connectMs }: Settings,
  clock: Clock,
  until: number,
  attempt: () => Promise<void>,
): Promise<void> {
  const late = new NoAnswer(`no answer within ${connectMs} ms`, { isSent: true, isLate: true });
  const inTime = async <T>(call: Promise<T>): Promise<T> => {
    call.catch(() => undefined); // of one that is left nobody hears
    if (!(await settledWithin(clock, call, Math.max(0, until - clock.monotonic())))) throw late;
    return call;
  };
  let known: unknown = late;
  for (;;) {
    try {
      return await inTime(attempt());
    } catch (error) {
      if (error === late) throw known;
      const isLeaderless = error instanceof Refusal ? error.isLeaderless : error instanceof NoAnswer && error.isLate;
      if (!isLeaderless) throw error;
      known = (await inTime(hasLeader(client)).catch(() => true)) ? error : leaderless(address.shown, connectMs, error);
      if (clock.monotonic() + AGAIN_AFTER_MS >= until) throw known;
      await sleep(clock, AGAIN_AFTER_MS);
    }
  }
}

function leaderless(shown: string, connectMs: number, cause: unknown): JobferryError {
  return new JobferryError(
    "UNAVAILABLE",
    `${shown} has had no leader for ${connectMs} ms: most of Consul's servers are away or do not reach each other. Look at them, then try again.`,
    { retryable: true, cause },
  );
}

/** Each server answers that by itself; what it does not answer is no reason. */
async function hasLeader(client: ConsulClient): Promise<boolean> {
  try {
    return (await client.call({ method: "GET", path: "/v1/status/leader" })).json !== "";
  } catch {
    return true;
  }
}

async function checkLayout(keys: KeyValues, prefix: string): Promise<void> {
  const found = await keys.get(LAYOUT_KEY);
  if (found === undefined) return writeLayout(keys);
  const layout = Number(Buffer.from(found.value ?? "", "base64").toString("latin1"));
  if (layout <= LAYOUT) return undefined;
  const what = Number.isNaN(layout) ? "something else than Jobferry's" : `layout ${layout}`;
  throw new JobferryError(
    Number.isNaN(layout) ? "STORE_FOREIGN" : "STORE_NEWER",
    `The keys under ${JSON.stringify(`${prefix}/`)} in Consul have ${what}; this version of Jobferry reads ${LAYOUT}. Upgrade Jobferry here, or choose another prefix.`,
  );
}

/** Once in a store's life. Whoever only looks may not, and need not. */
async function writeLayout(keys: KeyValues): Promise<void> {
  const value = Buffer.from(String(LAYOUT));
  try {
    await keys.commit(
      keys.bodyOf([
        { verb: "check-not-exists", key: LAYOUT_KEY },
        { verb: "set", key: LAYOUT_KEY, value },
      ]),
    );
  } catch (error) {
    if (!(error instanceof Refusal && error.status === 403)) throw error;
  }
}
