import type { Clock, DriverContext } from "../../contract/index.ts";
import { STUCK_MS } from "./limits.ts";

/** Of those that are remembered; what is forgotten is only met again. */
const MOST = 1_000;

/**
 * Jobs that the servers do not take as they would become, because they take less than when these were stored: each step makes a job some bytes longer.
 * They stay where they are, are passed over for a while, and hold up no other.
 */
export class StuckJobs {
  readonly #clock: Clock;
  readonly #logger: DriverContext["logger"];
  readonly #until = new Map<string, number>();

  constructor({ clock, logger }: Pick<DriverContext, "clock" | "logger">) {
    this.#clock = clock;
    this.#logger = logger;
  }

  met(key: string, id: string): void {
    if (!this.#until.has(key))
      this.#logger.warn(
        { id },
        `Job ${id} cannot be moved: the servers take less than when it was stored. It stays where it is and is tried again every ${STUCK_MS / 1_000} s. Raise their limit for requests.`,
      );
    const [oldest] = this.#until.keys();
    if (this.#until.size >= MOST && oldest !== undefined) this.#until.delete(oldest);
    this.#until.delete(key);
    this.#until.set(key, this.#clock.monotonic() + STUCK_MS);
  }

  isPassedOver(key: string): boolean {
    const until = this.#until.get(key);
    return until !== undefined && until > this.#clock.monotonic();
  }
}
