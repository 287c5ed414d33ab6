/** What every coordination store refuses before it sends anything: the part of the contract that needs no server. */
import type { Compare, CoordinationCapabilities, CoordinationWrite } from "../../contract/index.ts";
import { describeValue, invalidArgument, JobferryError } from "../../errors/index.ts";
import { checkInteger } from "../../runtime/index.ts";

type Limits = CoordinationCapabilities["limits"];

const KEY = /^[A-Za-z0-9._~%-]+(?:\/[A-Za-z0-9._~%-]+){2,}$/;
const PREFIX = /^[A-Za-z0-9._~%-]+\/[A-Za-z0-9._~%-]+\/[A-Za-z0-9._~%/-]*$/;
const WANTED = 'segments of A-Z a-z 0-9 . _ ~ % and -, divided by "/", at least three';

export function checkKey(key: unknown, limits: Limits): void {
  if (typeof key !== "string" || !KEY.test(key)) throw invalidArgument("key", key, WANTED);
  if (key.length > limits.keyBytes) {
    throw new JobferryError(
      "INVALID_ARGUMENT",
      `The key ${describeValue(key)} has ${key.length} bytes; this store takes ${limits.keyBytes}. Use shorter names.`,
    );
  }
}

export function checkPrefix(prefix: unknown): void {
  if (typeof prefix !== "string" || !PREFIX.test(prefix)) {
    throw invalidArgument("prefix", prefix, "the start of a key that holds its first two segments");
  }
}

export function checkListing(prefix: string, options: Readonly<{ limit?: number; after?: string }> | undefined): void {
  checkPrefix(prefix);
  if (options?.limit !== undefined) checkInteger("limit", options.limit, 1);
}

export function checkTtl(ttlMs: unknown, { minTtlMs, maxTtlMs }: CoordinationCapabilities["session"]): void {
  if (typeof ttlMs !== "number" || !(ttlMs >= minTtlMs) || !(ttlMs <= maxTtlMs)) {
    throw invalidArgument("ttlMs", ttlMs, `milliseconds from ${minTtlMs} to ${maxTtlMs}, which this store takes`);
  }
}

/** @throws INVALID_ARGUMENT, PAYLOAD_TOO_LARGE. */
export function checkTransaction(
  compares: readonly Compare[],
  writes: readonly CoordinationWrite[],
  limits: Limits,
): void {
  const operations = operationsIn(compares, writes, limits.overwrite ?? 1);
  if (operations === 0) throw invalidArgument("transaction", [], "at least one compare or write");
  if (operations > limits.operations) {
    throw new JobferryError(
      "INVALID_ARGUMENT",
      `The transaction has ${operations} operations; this store takes ${limits.operations}. Divide it.`,
    );
  }
  const written = new Set<string>();
  const sessions = new Set<string>();
  let bytes = 0;
  for (const compare of compares) {
    if ("session" in compare) sessions.add(compare.session);
    else {
      checkKey(compare.key, limits);
      bytes += compare.key.length;
    }
  }
  for (const write of writes) {
    const key = "put" in write ? write.put : write.delete;
    checkKey(key, limits);
    if (written.has(key)) throw invalidArgument("write", key, "a key that the transaction writes once");
    written.add(key);
    bytes += key.length;
    if (!("put" in write)) continue;
    checkSize("value", write.value.length, limits.valueBytes);
    bytes += write.value.length;
    if (write.session !== undefined) sessions.add(write.session);
  }
  checkSize("transaction", bytes, limits.transactionBytes);
  if (sessions.size > 1) throw invalidArgument("session", [...sessions], "one session in the whole transaction");
}

/** By promise nobody had the key before: it counts one operation, and needs no look and no delete. */
export function isNewName(write: CoordinationWrite): boolean {
  return "put" in write && write.once === true && write.unused === true;
}

function operationsIn(compares: readonly Compare[], writes: readonly CoordinationWrite[], overwrite: number): number {
  if (overwrite === 1) return compares.length + writes.length;
  const absent = new Set(compares.flatMap((compare) => ("absent" in compare ? [compare.key] : [])));
  const overwrites = writes.filter((write) => "put" in write && !isNewName(write) && !absent.has(write.put));
  return compares.length + writes.length + overwrites.length * (overwrite - 1);
}

function checkSize(what: string, bytes: number, max: number): void {
  if (bytes <= max) return;
  throw new JobferryError("PAYLOAD_TOO_LARGE", `The ${what} has ${bytes} bytes; this store takes ${max}. Send less.`);
}

/** The first two segments: versions rise over it. */
export function areaOf(key: string): string {
  return key.slice(0, key.indexOf("/", key.indexOf("/") + 1));
}
