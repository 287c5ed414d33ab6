/** Answers of the server that somebody decides by. The others keep their number. */
export const Code = {
  runtimeInconsistency: -2,
  unimplemented: -6,
  badArguments: -8,
  noNode: -101,
  noAuth: -102,
  badVersion: -103,
  noChildrenForEphemerals: -108,
  nodeExists: -110,
  notEmpty: -111,
  sessionExpired: -112,
  invalidAcl: -114,
  authFailed: -115,
  sessionMoved: -118,
  notReadOnly: -119,
  saslRequired: -124,
  quotaExceeded: -125,
  throttled: -127,
} as const;

/**
 * `answer`: the server's own refusal, with its code. `lost`: the connection went, or no answer came in time; what was sent may have been done.
 * `refused`: nothing was sent. `expired`: the session has ended. `foreign`: the other side does not speak ZooKeeper's protocol. `tls`: the
 * handshake failed; the message is why. `tlsWanted`: the server speaks nothing else. `size`: the request is larger than the server takes, and was not sent. `closed`: by us.
 */
export type ErrorKind = "answer" | "lost" | "refused" | "expired" | "foreign" | "tls" | "tlsWanted" | "size" | "closed";

/** What the client throws. Its message holds no secret: neither passwords nor what was sent. */
export class ZookeeperError extends Error {
  override readonly name = "ZookeeperError";
  readonly kind: ErrorKind;
  /** Of an `answer`. */
  readonly code: number;
  /** The node that it is about, where that is known. */
  readonly path: string | undefined;
  /** The moment of the server at which it answered so. */
  readonly zxid: bigint;

  constructor(kind: ErrorKind, message: string, code = 0, path?: string, zxid = 0n) {
    super(message);
    this.kind = kind;
    this.code = code;
    this.path = path;
    this.zxid = zxid;
  }
}

export function answerError(code: number, path?: string, zxid?: bigint): ZookeeperError {
  const name = Object.entries(Code).find(([, known]) => known === code)?.[0] ?? "error";
  const where = path === undefined ? "" : ` for ${path}`;
  return new ZookeeperError("answer", `ZooKeeper answered ${code} (${name})${where}.`, code, path, zxid);
}

export function isAnswer(error: unknown, ...codes: readonly number[]): error is ZookeeperError {
  return error instanceof ZookeeperError && error.kind === "answer" && codes.includes(error.code);
}

export function isKind(error: unknown, ...kinds: readonly ErrorKind[]): error is ZookeeperError {
  return error instanceof ZookeeperError && kinds.includes(error.kind);
}
