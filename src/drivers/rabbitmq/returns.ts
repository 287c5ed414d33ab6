import type { ConfirmConnection } from "./connection.ts";

/** What came back without a queue to take it. `alone`: no other message of that key is without an answer, so it is this one that was not stored. */
export type CameBack = (key: string, alone: boolean) => void;

/** Messages of one call: how many of that key have no answer yet, and who is told when one of them came back. */
export type Sent = Readonly<{ open: (key: string) => number; cameBack: CameBack }>;

type Returned = Readonly<{ properties: Readonly<{ messageId?: unknown; correlationId?: unknown }> }>;

const all = new WeakMap<ConfirmConnection, Set<Sent>>();

/**
 * Watches for messages that reached no queue until the returned function is called. Each comes back before its confirm, named by its job's id, which several
 * may bear: then nobody knows which of them it was. One listener for each connection.
 */
export function watchReturns(connection: ConfirmConnection, sent: Sent): () => void {
  const calls = callsOn(connection);
  calls.add(sent);
  return () => calls.delete(sent);
}

function callsOn(connection: ConfirmConnection): Set<Sent> {
  const known = all.get(connection);
  if (known !== undefined) return known;
  const calls = new Set<Sent>();
  all.set(connection, calls);
  connection.channel.on("return", ({ properties }: Returned) => tell(calls, keyOf(properties)));
  return calls;
}

/** An id that is too long for `message_id` is not on the message: that one has a number. */
function keyOf({ messageId, correlationId }: Returned["properties"]): string {
  return String(messageId ?? correlationId);
}

function tell(calls: ReadonlySet<Sent>, key: string): void {
  let open = 0;
  for (const call of calls) open += call.open(key);
  for (const call of calls) if (call.open(key) > 0) call.cameBack(key, open === 1);
}
