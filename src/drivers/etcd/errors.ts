import type { ErrorClass, ErrorCode } from "../../contract/index.ts";
import { isJobferryError, JobferryError } from "../../errors/index.ts";
import type { Endpoint } from "./client/endpoint.ts";
import {
  ClientClosed,
  EtcdRefusal,
  NoAnswer,
  NotEtcd,
  NotReached,
  STATUS,
  TooLarge,
  TooMuchAtOnce,
} from "./client/failures.ts";
import { isHangUp, mayBeAnother } from "../shared/hung-up.ts";
import { isTlsCode, speaksTls, tlsFailed, tlsWanted } from "../shared/tls.ts";
import { DamagedMessage } from "./client/protobuf.ts";

/** What messages say of the place. `prefix`: with its slash. */
export type Where = Readonly<{ shown: string; prefix: string; isSecure: boolean }>;

const refused = (code: ErrorCode, message: string): ErrorClass => ({ code, retryable: false, message });
const away = (message: string): ErrorClass => ({ code: "UNAVAILABLE", retryable: true, message });

/** No message repeats the server's own: that can hold keys and names. */
export function classify(error: unknown, where: Where): ErrorClass {
  if (isJobferryError(error)) return { code: error.code, retryable: error.retryable, message: error.message };
  if (error instanceof EtcdRefusal) return ofStatus(error, where);
  if (error instanceof NotReached) return notReached(error, where);
  if (error instanceof NoAnswer)
    return away(
      `etcd at ${where.shown} gave no answer: ${error.message}. Is the node up, and does a majority of its cluster live?`,
    );
  if (error instanceof NotEtcd || error instanceof DamagedMessage) return foreign(error, where);
  if (error instanceof TooMuchAtOnce) return away("More calls than 10,000, or 64 MiB of them, wait for etcd already.");
  if (error instanceof TooLarge)
    return refused("PAYLOAD_TOO_LARGE", `etcd sent ${error.message}; this client takes 32 MiB.`);
  if (error instanceof ClientClosed) return refused("CLOSED", "The etcd store is closed. Make another one.");
  return { code: "UNEXPECTED", retryable: false };
}

function ofStatus({ status, details }: EtcdRefusal, where: Where): ErrorClass {
  switch (status) {
    case STATUS.invalidArgument:
      return ofArgument(details);
    case STATUS.notFound:
      return away("The session ended in etcd before it could be used.");
    case STATUS.outOfRange:
      return away("etcd was compacted again and again while everything was read.");
    case STATUS.permissionDenied:
      return refused(
        "ACCESS_DENIED",
        `This user may not read and write the keys under "${where.prefix}" on etcd. Grant it: etcdctl role grant-permission ROLE readwrite ${where.prefix} --prefix.`,
      );
    case STATUS.unauthenticated:
      return refused("ACCESS_DENIED", "etcd does not take the token that it gave. Look whether the user still exists.");
    case STATUS.failedPrecondition:
      return ofPrecondition(details);
    case STATUS.resourceExhausted:
      return ofResource(details);
    case STATUS.unimplemented:
      return foreign(undefined, where);
    case STATUS.dataLoss:
      return refused(
        "STORE_CORRUPT",
        "etcd says that its data is damaged. Replace the damaged member, or restore a snapshot.",
      );
    case STATUS.deadlineExceeded:
    case STATUS.unavailable:
      return away(
        `etcd at ${where.shown} takes no calls now (${unavailableBecause(details)}). It goes on when a majority of its nodes lives and has a leader.`,
      );
    default:
      return { code: "UNEXPECTED", retryable: false, message: `etcd answered with status ${status} of gRPC.` };
  }
}

/** Only what is known to be harmless. */
function unavailableBecause(details: string): string {
  return (
    /(no leader|leader changed|request timed out|server stopped|raft: stopped|not capable)/.exec(details)?.[1] ??
    "unavailable"
  );
}

function ofArgument(details: string): ErrorClass {
  if (/user name is empty/.test(details))
    return refused("ACCESS_DENIED", "etcd wants a user. Give username and password, or user:password in the URL.");
  if (/authentication failed/.test(details))
    return refused("ACCESS_DENIED", "etcd refused the user name or password. Correct them.");
  if (/too large/.test(details)) return tooLarge();
  if (/too many operations/.test(details))
    return refused(
      "INVALID_ARGUMENT",
      "etcd takes fewer operations at once than were sent. Raise --max-txn-ops, to its default of 128 or more.",
    );
  return { code: "UNEXPECTED", retryable: false, message: "etcd refused an argument." };
}

function ofPrecondition(details: string): ErrorClass {
  if (/authentication is not enabled/.test(details))
    return refused(
      "ACCESS_DENIED",
      "This etcd knows no users. Switch them on (etcdctl auth enable), or give no login.",
    );
  return { code: "UNEXPECTED", retryable: false, message: "etcd refused the call in its present state." };
}

function ofResource(details: string): ErrorClass {
  if (/space exceeded/.test(details))
    return {
      code: "STORE_FULL",
      retryable: true,
      message:
        "etcd has reached its quota; nothing was stored. Compact and defragment it, raise --quota-backend-bytes, and clear the alarm (etcdctl alarm disarm).",
    };
  if (/larger than max/.test(details)) return tooLarge();
  return away("etcd has too many requests.");
}

function tooLarge(): ErrorClass {
  return refused(
    "PAYLOAD_TOO_LARGE",
    "The request is larger than this etcd takes. Send less, or raise --max-request-bytes to 1.5 MiB or more.",
  );
}

function foreign(_error: unknown, { shown, isSecure }: Where): ErrorClass {
  const scheme = isSecure
    ? "Use etcd:// (or http:// endpoints) where the server speaks no TLS"
    : "Use etcds:// (or https:// endpoints) where the server speaks TLS";
  return refused(
    "STORE_FOREIGN",
    `What answered at ${shown} is not etcd with its API of version 3. ${scheme}, and its client port (2379 by default), not the one of its peers.`,
  );
}

const TLS_ADVICE =
  "Use etcds:// (or https:// endpoints) only where the server speaks TLS, trust its certificate (tls.ca, tls.servername), and bring one of your own (tls.cert, tls.key) where it asks for it.";

function notReached(error: NotReached, { shown, isSecure }: Where): ErrorClass {
  const code = codeIn(error);
  if (isTlsCode(code)) return tlsFailed(`etcd at ${shown}`, code, TLS_ADVICE);
  const why = code ?? error.message;
  const hint =
    code === undefined || isHangUp(code) ? ` ${mayBeAnother("etcd's for clients is 2379 by default", isSecure)}` : "";
  return away(`etcd at ${shown} cannot be reached (${why}). Is it up, and are host and port right?${hint}`);
}

/** Of Node.js: the first in the chain of causes. */
function codeIn(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    if ("code" in at && typeof at.code === "string") return at.code;
    if (at instanceof AggregateError) return codeIn(at.errors[0]);
  }
  return undefined;
}

/** What opening fails with. Where the server only hung up, it is asked whether it speaks TLS, for at most `withinMs`. */
export async function openingFailed(
  error: unknown,
  where: Where,
  [first]: readonly Endpoint[],
  withinMs: number,
): Promise<JobferryError> {
  const {
    code,
    retryable,
    message = "etcd could not be opened.",
  } = (await mismatch(error, where, first, withinMs)) ?? classify(error, where);
  return new JobferryError(code, message, { retryable, cause: error });
}

const GREETING = { text: "GET /version HTTP/1.1\r\nhost: etcd\r\n\r\n", answer: /^HTTP\/1\.1 200/ };

async function mismatch(
  error: unknown,
  { shown, isSecure }: Where,
  at: Endpoint | undefined,
  withinMs: number,
): Promise<ErrorClass | undefined> {
  const isHungUp = error instanceof NotReached || error instanceof NotEtcd || error instanceof DamagedMessage;
  if (!isHungUp || at === undefined || isTlsCode(codeIn(error))) return undefined;
  const isSpoken = await speaksTls({ ...at, withinMs, ...(isSecure ? { greeting: GREETING } : {}) });
  if (isSpoken === undefined || isSpoken === isSecure) return undefined;
  if (isSecure) return tlsFailed(`etcd at ${shown}`, "it speaks none", TLS_ADVICE);
  return tlsWanted(`etcd at ${shown}`, "Use etcds:// (or https:// endpoints), with its authority in tls.ca.");
}
