import type { Capabilities, Clock, PushItem, PushResult } from "../../contract/index.ts";
import { JobferryError, UnsupportedError } from "../../errors/index.ts";
import { parcelOf } from "./message.ts";
import { HEADROOM, overLimit } from "./message-limit.ts";
import type { MessageLimit } from "./message-limit.ts";
import type { PostOffice, Posting } from "./posting.ts";
import type { Published } from "./publishing.ts";

export class Pushing {
  readonly #clock: Clock;
  readonly #office: PostOffice;
  readonly #capabilities: Capabilities;

  readonly #limit: MessageLimit;

  constructor(clock: Clock, office: PostOffice, capabilities: Capabilities, limit: MessageLimit) {
    this.#limit = limit;
    this.#clock = clock;
    this.#office = office;
    this.#capabilities = capabilities;
  }

  async push(jobs: readonly PushItem[]): Promise<readonly PushResult[]> {
    const results: (PushResult | undefined)[] = [];
    const postings: Posting[] = [];
    for (const job of jobs) {
      const delayMs = this.#delayOf(job);
      const error = this.#refusal(job, delayMs);
      if (error === undefined)
        postings.push({ parcel: parcelOf(job, this.#clock.now() + delayMs), to: "jobs", delayMs });
      results.push(error === undefined ? undefined : { status: "refused", error });
    }
    const published = await this.#office.post(postings);
    let next = 0;
    return results.map((refused) => refused ?? resultOf(published[next++]));
  }

  /** The server has no absolute times: `runAt` is counted from this process's clock. */
  #delayOf({ runAt, delayMs }: PushItem): number {
    return runAt === undefined ? delayMs : Math.max(0, runAt - this.#clock.now());
  }

  #refusal({ payload, envelope, priority }: PushItem, delayMs: number): JobferryError | undefined {
    const { payload: sizes, priority: priorities, delay } = this.#capabilities;
    if (payload.length > sizes.maxBytes)
      return new JobferryError("PAYLOAD_TOO_LARGE", `The payload is larger than ${sizes.maxBytes} bytes.`);
    if (payload.length + envelope.length > sizes.maxBytes + HEADROOM / 2)
      return new JobferryError("PAYLOAD_TOO_LARGE", `Payload and envelope are larger than ${sizes.maxBytes} bytes.`);
    const { bytes, pushBytes } = this.#limit;
    if (payload.length + envelope.length > pushBytes)
      return overLimit(payload.length + envelope.length, bytes, pushBytes);
    if (priority < priorities.min || priority > priorities.max)
      return new UnsupportedError(
        "priority",
        `Priorities go from ${priorities.min} to ${priorities.max} on this server.`,
      );
    return delayMs > delay.maxMs ? new UnsupportedError("delay", `Delays go up to ${delay.maxMs} ms.`) : undefined;
  }
}

function resultOf(published: Published | undefined): PushResult {
  if (published === "confirmed") return { status: "stored" };
  if (published === undefined || published === "unknown") return { status: "unknown" };
  return { status: "failed", error: published.error };
}
