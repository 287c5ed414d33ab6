import type { ErrorClass } from "../../contract/index.ts";
import { isJobferryError } from "../../errors/index.ts";
import { isTlsCode, tlsFailed } from "../shared/tls.ts";

/** The connection broke, or was given up, after a statement was sent: nobody knows whether it was done. */
export class AnswerLost extends Error {}

/** Of Node.js and its TLS, before or while a connection stands. */
const NETWORK = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "EHOSTDOWN",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
]);

/** What `pg` says without a code. */
const LOST =
  /connection (terminated|ended|closed)|timeout exceeded when trying to connect|client has encountered a connection error|connection error and is not queryable/i;
const TLS =
  /does not support SSL|no encryption|SSL off|self[- ]signed|certificate|wrong version number|unable to (get|verify)|altname|tlsv1|ssl/i;

const TLS_ADVICE =
  "Use `sslmode` in the URL (or `ssl` in the connection options) only where the server speaks TLS, and trust its certificate (`ssl.ca`, `ssl.servername`).";

/** By class (two characters) or whole SQLSTATE. No message repeats the server's own: that can hold SQL and values. */
const BY_STATE: Readonly<Record<string, ErrorClass>> = {
  "08": unavailable("The connection was lost. Try again."),
  "28": denied(
    "refused the user or password. Correct them in the URL or the connection options, or look at the server's pg_hba.conf.",
  ),
  "3D": {
    code: "INVALID_ARGUMENT",
    retryable: false,
    message: "has no such database. Correct its name, or make it with CREATE DATABASE.",
  },
  "42501": denied(
    "lacks a privilege. The user needs USAGE on the schema and SELECT, INSERT, UPDATE, DELETE on its tables, USAGE on its sequences and EXECUTE on its functions; `jobferry migrate` also needs CREATE on the database.",
  ),
  // During a fail-over for a moment; on opening it is refused for good (server-check.ts).
  "25006": {
    code: "STORE_READ_ONLY",
    retryable: true,
    message:
      "is read-only: a replica, or default_transaction_read_only is on. Connect to the primary (target_session_attrs, or the primary's address).",
  },
  "25P02": {
    code: "INVALID_ARGUMENT",
    retryable: false,
    message: "does nothing more in a transaction that has failed. Roll it back and begin again.",
  },
  "40": unavailable("The transaction met another one. Try again."),
  "53100": {
    code: "STORE_FULL",
    retryable: true,
    message: "has no space left on its disk; nothing of the call was stored. Free space, then try again.",
  },
  "53300": unavailable(
    "has no connection left. Raise max_connections, lower the pools' `max`, or put a proxy before it.",
  ),
  "53": unavailable("is out of a resource (memory, disk or configured limit). Look at its log."),
  "54": { code: "PAYLOAD_TOO_LARGE", retryable: false, message: "takes no value as large. Push a smaller payload." },
  "55": unavailable("is busy with something that excludes the call. Try again."),
  "57014": unavailable(
    "ended the statement, by its statement_timeout or an administrator. Raise statement_timeout for this user, or try again.",
  ),
  "57": unavailable("is starting, stopping or was told to end the connection. Try again."),
  "58": unavailable("met an error of its system (disk or files). Look at its log."),
  "3F": outdated(),
  "42P01": outdated(),
  "42883": outdated(),
  XX001: corrupt(),
  XX002: corrupt(),
};

function unavailable(message: string): ErrorClass {
  return { code: "UNAVAILABLE", retryable: true, message };
}

function denied(message: string): ErrorClass {
  return { code: "ACCESS_DENIED", retryable: false, message };
}

function outdated(): ErrorClass {
  return {
    code: "STORE_OUTDATED",
    retryable: false,
    message: "lacks the queue's tables or functions, or has older ones. Run `jobferry migrate`.",
  };
}

function corrupt(): ErrorClass {
  return {
    code: "STORE_CORRUPT",
    retryable: false,
    message: "says that its data is damaged. Restore a backup; an index is mended by REINDEX.",
  };
}

function stateOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : "";
}

/** Whether the connection cannot be used any more. A read-only one is let go of too: after a fail-over the next one finds the primary. */
export function breaksConnection(error: unknown): boolean {
  const state = stateOf(error) ?? "";
  if (error instanceof AnswerLost || NETWORK.has(state) || LOST.test(messageOf(error))) return true;
  return /^(08...|57P0[1-5]|25006)$/.test(state);
}

/** Whether the server may have done what it was sent although this came instead of an answer. */
export function mayBeDone(error: unknown): boolean {
  const state = stateOf(error) ?? "";
  if (error instanceof AnswerLost || NETWORK.has(state) || LOST.test(messageOf(error))) return true;
  return /^(08...|57P0[1-4])$/.test(state);
}

/** A proxy gave the statement to another connection than the one that it was prepared on. */
export function isPreparedElsewhere(error: unknown): boolean {
  const state = stateOf(error);
  return state === "26000" || state === "42P05" || (state === "08P01" && /prepared statement/i.test(messageOf(error)));
}

/** `label`: what was tried. */
export function classify(error: unknown, label: string): ErrorClass {
  if (isJobferryError(error)) return { code: error.code, retryable: error.retryable, message: error.message };
  const state = stateOf(error);
  const isTls = isTlsCode(state) || (!isSqlState(state) && !isAway(error) && TLS.test(messageOf(error)));
  if (isTls) return tlsFailed(label, isTlsCode(state) ? state : tlsReason(messageOf(error)), TLS_ADVICE);
  const known = classOf(error);
  return known.message === undefined ? known : { ...known, message: `${label} ${known.message}` };
}

function isSqlState(state: string | undefined): boolean {
  return state !== undefined && /^[0-9A-Z]{5}$/.test(state);
}

function isAway(error: unknown): boolean {
  return error instanceof AnswerLost || NETWORK.has(stateOf(error) ?? "") || LOST.test(messageOf(error));
}

function tlsReason(message: string): string {
  return /does not support SSL/i.test(message) ? "it speaks none" : "no code";
}

/** By pg_hba.conf, whose refusal says whether the connection had TLS. The words are those of PostgreSQL 12 to 18. */
function refusedAsItIs(message: string): ErrorClass | undefined {
  if (!/no pg_hba\.conf entry|pg_hba\.conf rejects/.test(message)) return undefined;
  if (/no encryption|SSL off/.test(message))
    return denied(
      "refuses this connection without TLS (pg_hba.conf): most probably it wants TLS. Use postgres://…?sslmode=verify-full or the connection option `ssl`, with its authority in sslrootcert=FILE or `ssl.ca`. Otherwise pg_hba.conf does not know this address, user or database.",
    );
  if (/SSL (encryption|on)/.test(message))
    return denied(
      "refuses this connection with TLS (pg_hba.conf): it wants none (leave out sslmode and `ssl`), or pg_hba.conf does not know this address, user or database.",
    );
  return undefined;
}

function classOf(error: unknown): ErrorClass {
  const state = stateOf(error);
  const message = messageOf(error);
  if (error instanceof AnswerLost) return unavailable("did not answer. Try again.");
  const refused = state?.startsWith("28") === true ? refusedAsItIs(message) : undefined;
  if (refused !== undefined) return refused;
  if (state !== undefined && isSqlState(state)) {
    return BY_STATE[state] ?? BY_STATE[state.slice(0, 2)] ?? { code: "UNEXPECTED", retryable: false };
  }
  if (state === "ENOTFOUND")
    return unavailable("cannot be found: the host name does not resolve. Correct it, or try again.");
  if (state !== undefined && NETWORK.has(state))
    return unavailable(
      `cannot be reached (${state}). Look whether the server runs and listens there, and at firewalls; then try again.`,
    );
  if (LOST.test(message))
    return unavailable(
      "broke the connection, or no connection came in time. Look whether the server runs and answers, and whether it is PostgreSQL that listens on that port (its own: 5432); then try again.",
    );
  if (/password|SASL|SCRAM/i.test(message))
    return denied("wants a password that fits. Give it in the URL or the connection options.");
  return { code: "UNEXPECTED", retryable: false };
}
