import type { ErrorClass } from "../../contract/index.ts";
import { isJobferryError, JobferryError } from "../../errors/index.ts";
import { handshakeFailure, isTlsCode, speaksTls, tlsFailed, tlsWanted } from "../shared/tls.ts";
import type { Address, Node } from "./address.ts";

// No message repeats the server's or the client's own: these can hold keys, arguments and addresses with a login.
const BY_REPLY: Readonly<Record<string, (text: string, shown: string) => ErrorClass>> = {
  OOM: () => ({
    code: "STORE_FULL",
    retryable: true,
    message:
      "The server has reached maxmemory; nothing was stored. Raise maxmemory or let workers catch up, then try again.",
  }),
  MISCONF: () => ({
    code: "STORE_FULL",
    retryable: true,
    message:
      "The server refuses writes because it cannot persist to its disk. Look at its disk and its log, then try again.",
  }),
  READONLY: () => ({
    code: "STORE_READ_ONLY",
    retryable: true,
    message:
      "The server is a read-only replica. Connect to the primary, or through Sentinel or Cluster, which find it. During a fail-over this passes.",
  }),
  NOAUTH: (_, shown) => noAccess(shown, "it wants a password. Put one into the URL or the client's options."),
  WRONGPASS: (_, shown) => wrongLogin(shown),
  NOPERM: (text, shown) =>
    noAccess(shown, `this user may not ${missing(text)}. Grant it (docs/backends/redis.md lists what is needed).`),
  WRONGTYPE: () => ({
    code: "STORE_FOREIGN",
    retryable: false,
    message: "A key under this prefix holds something else than Jobferry's. Choose another prefix.",
  }),
  NOREPLICAS: unavailable("The server refuses writes while too few replicas are connected (min-replicas-to-write)."),
  LOADING: unavailable("The server is still loading its data."),
  BUSY: unavailable("The server is busy with a script of somebody else."),
  CLUSTERDOWN: unavailable("The cluster is down: not every slot is served."),
  MASTERDOWN: unavailable("The server has lost its primary."),
  TRYAGAIN: unavailable("The cluster is moving the slot of these keys."),
  UNBLOCKED: unavailable("The server is changing its role."),
  UNKILLABLE: unavailable("The server is busy with a script that cannot be ended."),
  ASK: unavailable("The cluster is moving the slot of these keys."),
  MOVED: () => ({
    code: "INVALID_ARGUMENT",
    retryable: false,
    message:
      "The server is one node of a Redis Cluster and sends elsewhere. Use redis+cluster:// in the URL, or hand in a client for clusters.",
  }),
  CROSSSLOT: () => ({ code: "UNEXPECTED", retryable: false }),
};

/** Codes of Node.js and messages of the clients which say that there is, or was, no connection. */
const CONNECTION =
  /ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ECONNABORTED|Connection is closed|Stream isn't writeable|Socket closed|socket hang up|client is (closed|offline)|Connection timeout|Command timed out|Cluster isn't ready|Failed to refresh slots|None of startup nodes|All sentinels are unreachable|Socket timeout|connect timeout|ended the connection|must be connected|MaxRetries|Disconnect|Cluster is (ended|disconnect)|Node is disconnected|Connection is (aborted|discarded)|root nodes are unavailable|None of the sentinels|no valid master node|Cannot find node/i;
/** Of those, the ones that are told before anything was sent. */
const NOT_SENT =
  /ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|Stream isn't writeable|client is (closed|offline)|Cluster isn't ready|Failed to refresh slots|None of startup nodes|All sentinels are unreachable|root nodes are unavailable|None of the sentinels|no valid master node|Cannot find node/i;
/** What the parsers of the clients say to bytes that are no RESP. */
const NOT_REDIS = /Unknown RESP type|Protocol error, got/i;
const TLS_ADVICE =
  "Use rediss:// only where the server speaks TLS, and trust its certificate (clientOptions.tls.ca with ioredis, clientOptions.socket.ca with redis).";
const TLS =
  /ERR_SSL|ERR_TLS|EPROTO|CERT_|certificate|self[- ]signed|wrong version number|UNABLE_TO_|DEPTH_ZERO|SSL routines/i;

function unavailable(message: string): () => ErrorClass {
  return () => ({ code: "UNAVAILABLE", retryable: true, message: `${message} Try again.` });
}

function noAccess(shown: string, why: string): ErrorClass {
  return { code: "ACCESS_DENIED", retryable: false, message: `There is no access to ${shown}: ${why}` };
}

function wrongLogin(shown: string): ErrorClass {
  return noAccess(shown, "it refused the user name or password. Correct them.");
}

/** The command, or "access a key": the only parts of the server's message that hold no argument. */
function missing(text: string): string {
  const command = /the '([a-z|_-]{1,40})' command/i.exec(text)?.[1];
  return command === undefined
    ? "access the keys of this prefix, or a command or channel that is needed"
    : `run ${command.toUpperCase()}`;
}

function textOf(error: unknown): string {
  if (typeof error !== "object" || error === null) return "";
  const { code, message, name } = error as Readonly<{ code?: unknown; message?: unknown; name?: unknown }>;
  const nested = "errors" in error && Array.isArray(error.errors) ? error.errors.map(textOf).join(" ") : "";
  return [name, code, message].filter((part) => typeof part === "string").join(" ") + nested;
}

function replyCode(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  const message = "message" in error && typeof error.message === "string" ? error.message : "";
  // An error inside a script carries the code where older servers put "ERR Error running script ...: @user_script: 12: OOM ...".
  return /^-?([A-Z]+)\b/.exec(message)?.[1] ?? undefined;
}

/** A cluster's client follows its servers only so often. Each of them refused the command, so nothing was done. */
const REDIRECTED = /Too many Cluster redirections/i;

/** The server does not know the script (any more): after SCRIPT FLUSH, a restart or a fail-over. */
export function isNoScript(error: unknown): boolean {
  return replyCode(error) === "NOSCRIPT";
}

/** The server was a primary when it took the command before. */
export function isDemoted(error: unknown): boolean {
  return replyCode(error) === "UNBLOCKED" || /cannot be used with replica instances/.test(textOf(error));
}

/** The answer never came: what was sent may have been done or not. */
export function isUnanswered(error: unknown): boolean {
  if (isJobferryError(error)) return error.code === "UNAVAILABLE" && error.retryable;
  const text = textOf(error);
  return CONNECTION.test(text) && !NOT_SENT.test(text);
}

export function isConnectionError(error: unknown): boolean {
  return CONNECTION.test(textOf(error));
}

/** No connection could be made, as against one that broke. */
export function isNobodyThere(error: unknown): boolean {
  return /ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN/.test(textOf(error));
}

/** Something else listens there than a Redis without TLS. */
export function isForeign(error: unknown): boolean {
  return NOT_REDIS.test(textOf(error));
}

/** `shown`: the address without secrets. */
export function classify(error: unknown, shown: string): ErrorClass {
  if (isJobferryError(error)) return { code: error.code, retryable: error.retryable, message: error.message };
  const code = replyCode(error) ?? "";
  const inner =
    code === "ERR" ? /: -?(OOM|MISCONF|READONLY|NOPERM|WRONGTYPE|NOREPLICAS)\b/.exec(textOf(error))?.[1] : undefined;
  const known = BY_REPLY[inner ?? code];
  if (known !== undefined) return known(textOf(error), shown);
  const text = textOf(error);
  if (TLS.test(text)) return tlsFailed(shown, text.split(/[\s:]+/).find(isTlsCode) ?? "no code", TLS_ADVICE);
  if (/invalid (username-)?password|without any password configured|Authentication/i.test(text))
    return wrongLogin(shown);
  if (/DB index/i.test(text))
    return {
      code: "INVALID_ARGUMENT",
      retryable: false,
      message: `The server at ${shown} has no database of that number. Choose one below its setting databases (16 where nobody changed it), or tell apart what shares a database by the option prefix.`,
    };
  if (NOT_REDIS.test(text))
    return {
      code: "STORE_FOREIGN",
      retryable: false,
      message: `What answers at ${shown} does not speak Redis's protocol. Correct host and port (Redis's own: 6379).`,
    };
  if (REDIRECTED.test(text)) return unavailable("The cluster is changing: no node takes the command at the moment.")();
  if (CONNECTION.test(text)) {
    const reason = /\b(E[A-Z_]{4,})\b/.exec(text)?.[1];
    return {
      code: "UNAVAILABLE",
      retryable: true,
      message: `There is no connection to ${shown}${reason === undefined ? "" : ` (${reason})`}. Check that Redis runs there, that it can be reached, and that it is what listens on that port; a queue that is open goes on trying by itself.`,
    };
  }
  return { code: "UNEXPECTED", retryable: false };
}

export function lostAnswer(shown: string): JobferryError {
  return new JobferryError(
    "UNAVAILABLE",
    `The connection to ${shown} was lost while a transaction was under way. It may have taken effect.`,
    { retryable: true },
  );
}

export function noAnswer(shown: string, milliseconds: number): JobferryError {
  return new JobferryError(
    "UNAVAILABLE",
    `${shown} gave no answer within ${milliseconds} ms (commandTimeout). The server is away, or busy with something slow.`,
    { retryable: true },
  );
}

/**
 * Whether client and server do not agree on TLS, asked of the server after it could not be opened: one that wants TLS hangs up, one without it waits
 * for the end of what it takes for a command. undefined: that was not it.
 */
export async function tlsMismatch(
  { nodes, tls, shown }: Address,
  clientOptions: object,
): Promise<ErrorClass | undefined> {
  const isSpoken = await speaksTls({
    ...nodes[0],
    ...(tls ? { greeting: { text: "PING\r\n", answer: /^[+-]/ } } : {}),
  });
  if (isSpoken === true && tls) return untrusted(nodes[0], shown, clientOptions);
  if (isSpoken === undefined || isSpoken === tls) return undefined;
  return tls
    ? tlsFailed(shown, "it speaks none", TLS_ADVICE)
    : tlsWanted(
        shown,
        "Use rediss://, and trust its certificate (clientOptions.tls.ca with ioredis, clientOptions.socket.ca with redis).",
      );
}

/** Clients of groups try one server after the other, and do not tell why none would do. */
async function untrusted(node: Node, shown: string, clientOptions: object): Promise<ErrorClass | undefined> {
  const { tls, socket } = clientOptions as Readonly<{ tls?: object; socket?: object }>;
  const code = await handshakeFailure(node, { ...socket, ...tls });
  return code === undefined ? undefined : tlsFailed(shown, code, TLS_ADVICE);
}
