/** The messages of etcd's API, version 3, as far as they are used here. The numbers are those of its rpc.proto and kv.proto. */
import { fieldsOf, MessageWriter, textOf } from "./protobuf.ts";

export type EtcdEntry = Readonly<{ key: string; value: Uint8Array; modRevision: bigint; lease: bigint }>;

export type EtcdCompare = Readonly<{ key: string; modRevision: bigint }> | Readonly<{ key: string; exists: boolean }>;
export type EtcdWrite = Readonly<{ put: string; value: Uint8Array; lease?: bigint }> | Readonly<{ delete: string }>;

/** `prefix`: all keys that begin with it. */
export type EtcdRange = Readonly<{ prefix: string; after?: string; limit: number; revision?: bigint }>;
export type RangeResult = Readonly<{ entries: readonly EtcdEntry[]; revision: bigint; more: boolean }>;

/** Of one key: the entry, or undefined when it was deleted. */
export type EtcdEvent = Readonly<{ key: string; revision: bigint; entry: EtcdEntry | undefined }>;

export type WatchReply = Readonly<{
  id: bigint;
  /** Of the store when it was sent. */
  revision: bigint;
  canceled: boolean;
  /** Not 0 when the start of the watch is forgotten. */
  compacted: bigint;
  reason: string;
  /** More of the same revision follows. */
  isPart: boolean;
  events: readonly EtcdEvent[];
}>;

const PER_OPERATION = 64;
const EQUAL = 0;
const GREATER = 1;
const CREATED = 1;
const MODIFIED = 2;
const DELETED = 1n;

/** The first key behind all that begin with the prefix, which is not empty and ends in ASCII. */
function endOf(prefix: string): string {
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
}

export function getRequest(key: string): Uint8Array {
  const writer = new MessageWriter();
  writer.text(1, key);
  return writer.framed();
}

export const emptyRequest = (): Uint8Array => new MessageWriter().framed();

export function rangeRequest({ prefix, after, limit, revision }: EtcdRange): Uint8Array {
  const writer = new MessageWriter();
  if (revision !== undefined) writer.integer(4, revision);
  writer.integer(3, limit);
  writer.text(2, endOf(prefix));
  writer.text(1, after !== undefined && after >= prefix ? `${after}\0` : prefix);
  return writer.framed();
}

export function transactionRequest(compares: readonly EtcdCompare[], writes: readonly EtcdWrite[]): Uint8Array {
  const payload = writes.reduce((sum, write) => sum + ("put" in write ? write.value.length : 0), 0);
  const keys = [...compares.map(({ key }) => key), ...writes.map(keyOf)].reduce((sum, key) => sum + key.length, 0);
  const writer = new MessageWriter(payload + keys + PER_OPERATION * (compares.length + writes.length + 1));
  for (const write of writes.toReversed()) writer.message(2, () => operation(writer, write));
  for (const one of compares.toReversed()) writer.message(1, () => compare(writer, one));
  return writer.framed();
}

const keyOf = (write: EtcdWrite): string => ("put" in write ? write.put : write.delete);

function operation(writer: MessageWriter, write: EtcdWrite): void {
  if ("delete" in write) return writer.message(3, () => writer.text(1, write.delete));
  writer.message(2, () => {
    if (write.lease !== undefined) writer.integer(3, write.lease);
    writer.bytes(2, write.value);
    writer.text(1, write.put);
  });
}

function compare(writer: MessageWriter, one: EtcdCompare): void {
  if ("modRevision" in one) writer.integer(6, one.modRevision);
  else writer.integer(5, 0);
  writer.text(3, one.key);
  writer.integer(2, "modRevision" in one ? MODIFIED : CREATED);
  writer.integer(1, "exists" in one && one.exists ? GREATER : EQUAL);
}

export function grantRequest(seconds: number): Uint8Array {
  const writer = new MessageWriter();
  writer.integer(1, seconds);
  return writer.framed();
}

/** Of `LeaseKeepAlive` and of `LeaseRevoke`. */
export function leaseRequest(lease: bigint): Uint8Array {
  const writer = new MessageWriter();
  writer.integer(1, lease);
  return writer.framed();
}

export function authenticateRequest(name: string, password: string): Uint8Array {
  const writer = new MessageWriter();
  writer.text(2, password);
  writer.text(1, name);
  return writer.framed();
}

export function watchRequest(id: bigint, prefix: string, from: bigint): Uint8Array {
  const writer = new MessageWriter();
  writer.message(1, () => {
    // Events of many keys may come in several messages.
    writer.integer(8, true);
    writer.integer(7, id);
    writer.integer(3, from);
    writer.text(2, endOf(prefix));
    writer.text(1, prefix);
  });
  return writer.framed();
}

export function unwatchRequest(id: bigint): Uint8Array {
  const writer = new MessageWriter();
  writer.message(2, () => writer.integer(1, id));
  return writer.framed();
}

export function readRange(message: Uint8Array): RangeResult {
  const entries: EtcdEntry[] = [];
  let revision = 0n;
  let more = false;
  for (const { number, integer, bytes } of fieldsOf(message)) {
    if (number === 1) revision = revisionIn(bytes);
    else if (number === 2) entries.push(readEntry(bytes));
    else if (number === 3) more = integer !== 0n;
  }
  return { entries, revision, more };
}

export function readTransaction(message: Uint8Array): Readonly<{ succeeded: boolean; revision: bigint }> {
  let revision = 0n;
  let succeeded = false;
  for (const { number, integer, bytes } of fieldsOf(message)) {
    if (number === 1) revision = revisionIn(bytes);
    else if (number === 2) succeeded = integer !== 0n;
  }
  return { succeeded, revision };
}

/** Of `LeaseGrant`, and of `LeaseKeepAlive`, where 0 seconds are left when there is no such lease. */
export function readLease(message: Uint8Array): Readonly<{ lease: bigint; seconds: number }> {
  let lease = 0n;
  let seconds = 0;
  for (const { number, integer } of fieldsOf(message)) {
    if (number === 2) lease = BigInt.asIntN(64, integer);
    else if (number === 3) seconds = Number(BigInt.asIntN(64, integer));
  }
  return { lease, seconds };
}

/** Of a list of members. */
export function readVoters(message: Uint8Array): number {
  const members = [...fieldsOf(message)].filter(({ number }) => number === 2);
  const isLearner = (member: Uint8Array): boolean => [...fieldsOf(member)].some(({ number }) => number === 5);
  return members.filter(({ bytes }) => !isLearner(bytes)).length;
}

export function readToken(message: Uint8Array): string {
  for (const { number, bytes } of fieldsOf(message)) if (number === 2) return textOf(bytes);
  return "";
}

export function readWatch(message: Uint8Array): WatchReply {
  const events: EtcdEvent[] = [];
  const reply = { id: 0n, revision: 0n, canceled: false, compacted: 0n, reason: "", isPart: false };
  for (const { number, integer, bytes } of fieldsOf(message)) {
    if (number === 1) reply.revision = revisionIn(bytes);
    else if (number === 2) reply.id = integer;
    else if (number === 4) reply.canceled = integer !== 0n;
    else if (number === 5) reply.compacted = integer;
    else if (number === 6) reply.reason = textOf(bytes);
    else if (number === 7) reply.isPart = integer !== 0n;
    else if (number === 11) events.push(readEvent(bytes));
  }
  return { ...reply, events };
}

function readEvent(message: Uint8Array): EtcdEvent {
  let isDelete = false;
  let found: EtcdEntry | undefined;
  for (const { number, integer, bytes } of fieldsOf(message)) {
    if (number === 1) isDelete = integer === DELETED;
    else if (number === 2) found = readEntry(bytes);
  }
  return { key: found?.key ?? "", revision: found?.modRevision ?? 0n, entry: isDelete ? undefined : found };
}

function readEntry(message: Uint8Array): EtcdEntry {
  const entry = { key: "", value: new Uint8Array(), modRevision: 0n, lease: 0n };
  for (const { number, integer, bytes } of fieldsOf(message)) {
    if (number === 1) entry.key = textOf(bytes);
    else if (number === 3) entry.modRevision = integer;
    // A copy: the whole message would be kept with it.
    else if (number === 5) entry.value = new Uint8Array(bytes);
    else if (number === 6) entry.lease = BigInt.asIntN(64, integer);
  }
  return entry;
}

function revisionIn(header: Uint8Array): bigint {
  for (const { number, integer } of fieldsOf(header)) if (number === 3) return integer;
  return 0n;
}
