/** What the client throws: raw errors, which `classify` explains. */

/** No answer came. */
export class NoAnswer extends Error {
  override readonly name = "NoAnswer";
  /** What surely was not sent had no effect; of everything else nobody knows. */
  readonly isSent: boolean;
  /** It took longer than it may. */
  readonly isLate: boolean;

  constructor(message: string, state: Readonly<{ isSent: boolean; isLate?: boolean; cause?: unknown }>) {
    super(message, "cause" in state ? { cause: state.cause } : undefined);
    this.isSent = state.isSent;
    this.isLate = state.isLate ?? false;
  }
}

/** An answer that is not the one that was asked for. `text` is what stood in it: it can hold names of keys, and goes into no message. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly status: number;
  readonly text: string;

  constructor(status: number, text: string) {
    super(`Consul answered with status ${status}`);
    this.status = status;
    this.text = text;
  }

  /** More steps than one transaction may have. */
  get isTooManyVerbs(): boolean {
    return this.status === 413 && /too many operations/i.test(this.text);
  }

  /** It has no leader at the moment, or lost it during the call. */
  get isLeaderless(): boolean {
    return (
      this.status >= 500 &&
      /no cluster leader|no leader|leadership|not the leader|not ready to serve|rpc error|raft is already shutdown|stream closed|EOF/i.test(
        this.text,
      )
    );
  }
}

/** What answers is no Consul. */
export class Foreign extends Error {
  override readonly name = "Foreign";
}
