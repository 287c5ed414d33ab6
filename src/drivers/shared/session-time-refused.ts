import { JobferryError } from "../../errors/index.ts";

/** The servers give no session of the time that was asked for; `nearestMs` they do. Who asked for none in particular may take that. */
export class SessionTimeRefused extends JobferryError {
  readonly nearestMs: number;

  /** `message` ends with what else can be done; whose time it is is added. */
  constructor(message: string, nearestMs: number) {
    super(
      "INVALID_ARGUMENT",
      `${message} It is the electionTimeout or lockTimeout of a cluster, or the sessionTtl of a queue.`,
    );
    this.nearestMs = nearestMs;
  }
}
