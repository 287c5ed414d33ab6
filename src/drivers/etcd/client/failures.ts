/** What a call can end with. Each says whether the server may have done it. */

/** The server's own answer. `details` can hold what the user wrote: it goes into no message. */
export class EtcdRefusal extends Error {
  override readonly name = "EtcdRefusal";
  readonly status: number;
  readonly details: string;

  constructor(status: number, details: string) {
    super(`etcd answered with status ${status}`);
    this.status = status;
    this.details = details;
  }
}

/** Nothing was sent: another endpoint may be asked. */
export class NotReached extends Error {
  override readonly name = "NotReached";
}

/** It was sent, and no answer came: nobody knows whether it was done. */
export class NoAnswer extends Error {
  override readonly name = "NoAnswer";
}

/** What answered is not etcd's API. */
export class NotEtcd extends Error {
  override readonly name = "NotEtcd";
}

/** More is on its way than the client holds at once. Nothing was sent. */
export class TooMuchAtOnce extends Error {
  override readonly name = "TooMuchAtOnce";
}

/** The answer is larger than the client takes. */
export class TooLarge extends Error {
  override readonly name = "TooLarge";
}

/** `close` was called. */
export class ClientClosed extends Error {
  override readonly name = "ClientClosed";
}

/** Statuses of gRPC. */
export const STATUS = {
  ok: 0,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
} as const;
