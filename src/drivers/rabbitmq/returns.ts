import type { ConfirmConnection } from "./connection.ts";

/** The messages of one call, by their numbers in it, as long as some have no answer. */
export interface Awaiting {
  /** Those under that key that have no answer. */
  open(key: string): readonly number[];
  /** It was not stored. */
  cameBack(i: number): void;
  /** One of these, or none, was not stored: a confirm says nothing. */
  inDoubt(those: readonly number[] | "all"): void;
  /** Something came back, of whatever call. */
  onUnroutable(): void;
}

type Returned = Readonly<{
  fields: Readonly<{ routingKey: string }>;
  properties: Readonly<{ messageId?: string; correlationId?: string }>;
}>;

const all = new WeakMap<ConfirmConnection, Set<Awaiting>>();

/** Where it went and its name, or its number when it has none. */
export function keyOf(routingKey: string, messageId: string | undefined, number: string | undefined): string {
  return messageId === undefined ? `${routingKey}\n\n${number ?? ""}` : `${routingKey}\n${messageId}`;
}

/** Watches for messages that reached no queue, each of which comes back before its confirm, until the returned function is called. */
export function watchReturns(connection: ConfirmConnection, call: Awaiting): () => void {
  const calls = callsOn(connection);
  calls.add(call);
  return () => calls.delete(call);
}

/** One listener for each connection. */
function callsOn(connection: ConfirmConnection): Set<Awaiting> {
  const known = all.get(connection);
  if (known !== undefined) return known;
  const calls = new Set<Awaiting>();
  all.set(connection, calls);
  connection.channel.on("return", ({ fields, properties }: Returned) =>
    tell(calls, keyOf(fields.routingKey, properties.messageId, properties.correlationId)),
  );
  return calls;
}

/** Several of one id on their way to one place: nobody knows which of them it was. And one that nobody knows may be anybody's. */
function tell(calls: ReadonlySet<Awaiting>, key: string): void {
  const found: (readonly [Awaiting, readonly number[]])[] = [];
  let count = 0;
  for (const call of calls) {
    call.onUnroutable();
    const open = call.open(key);
    if (open.length > 0) found.push([call, open]);
    count += open.length;
  }
  for (const [call, open] of found) {
    const [i] = open;
    if (count === 1 && i !== undefined) call.cameBack(i);
    else call.inDoubt(open);
  }
  if (count === 0) for (const call of calls) call.inDoubt("all");
}
