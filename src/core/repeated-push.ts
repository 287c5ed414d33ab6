import type { Capabilities, Driver, PushResult } from "../contract/index.ts";
import { isJobferryError, JobferryError } from "../errors/index.ts";
import { sleep } from "../runtime/index.ts";
import { pushTimedOut } from "./admission.ts";
import type { QueuedItem } from "./queued-item.ts";
import type { QueueSettings } from "./queue-options.ts";
import { wrapError } from "./wrap-error.ts";

export const UNKNOWN_FATE =
  "The store did not answer for the job, so it may be stored or not. Pushing the same job again is safe where pushes are by id.";

/** `unstored`: of these it is known that they are not stored, because there was no room for any job of the batch, and none is on its way now. */
type Trouble = Readonly<{ error: JobferryError; unstored?: ReadonlySet<QueuedItem> }>;

function noRoomCame({ code, message, cause }: JobferryError, timeoutMs: number): JobferryError {
  const text = `${message} It was tried until ${timeoutMs} ms (pushTimeout) were over, and no room came.`;
  return new JobferryError(code, text, { cause, retryable: true });
}

/** Sends batches to the driver until they are answered, where a repetition is safe, and says what an answer means. */
export class RepeatedPush<Tx> {
  readonly #driver: Driver<Tx>;
  readonly #settings: QueueSettings;
  readonly #capabilities: Capabilities;
  /** What the last try of a queue's batch ended with, while the batch is repeated. */
  readonly #troubles = new Map<string, Trouble>();
  /** Their callers were told that they are not stored, so they must not be sent again. */
  readonly #givenUp = new WeakSet<QueuedItem>();
  readonly #closing: AbortSignal;

  constructor(driver: Driver<Tx>, settings: QueueSettings, capabilities: Capabilities, closing: AbortSignal) {
    this.#driver = driver;
    this.#settings = settings;
    this.#capabilities = capabilities;
    this.#closing = closing;
  }

  /**
   * One answer per item. Repeats what is unknown or failed for a passing reason, only where an id that is stored already changes nothing. A full store
   * is such a reason: workers make room, and a producer that is faster than they are goes on at their pace.
   */
  async send(queue: string, items: readonly QueuedItem[]): Promise<readonly PushResult[]> {
    const first = await this.#sendOnce(items);
    if (!first.some((result) => this.#isRepeatable(result))) return first;
    const results = [...first];
    const unsure = new Set(results.flatMap((result, i) => (this.#mayBeStored(result) ? [i] : [])));
    const { clock, pushTimeoutMs } = this.#settings;
    const giveUpAt = clock.monotonic() + pushTimeoutMs;
    for (let pause = 25; clock.monotonic() + pause < giveUpAt; pause = Math.min(pause * 2, 1_000)) {
      const waiting = items
        .flatMap((item, i) => (this.#isRepeatable(results[i]) ? [{ item, i }] : []))
        .filter(({ item }) => !this.#givenUp.has(item));
      if (waiting.length === 0) break;
      const failed = waiting.find(({ i }) => results[i]?.status === "failed");
      const error = failed === undefined ? undefined : this.errorOf(results[failed.i]);
      const isFull = unsure.size === 0 && this.#isFull(results);
      if (error !== undefined) this.#troubles.set(queue, isFull ? { error, unstored: new Set(items) } : { error });
      const end = await sleep(clock, pause * (0.5 + clock.random() / 2), this.#closing);
      if (end === "aborted") break;
      // While a try is under way nobody knows how it ends.
      if (error !== undefined) this.#troubles.set(queue, { error });
      const open = waiting.filter(({ item }) => !this.#givenUp.has(item));
      if (open.length === 0) break;
      const again = await this.#sendOnce(open.map(({ item }) => item));
      for (const [k, { i }] of open.entries()) {
        const result = again[k] ?? { status: "unknown" };
        results[i] = unsure.has(i) ? this.#unsure(result) : result;
        if (this.#mayBeStored(result)) unsure.add(i);
      }
    }
    this.#troubles.delete(queue);
    return results.map((result) => this.#withWait(result));
  }

  /** What is told to a push that has waited too long, in this queue's lane. What is told to be not stored is not sent any more. */
  timedOut(queue: string, sent: boolean, items: readonly QueuedItem[]): JobferryError {
    const { pushTimeoutMs } = this.#settings;
    const { error, unstored } = this.#troubles.get(queue) ?? {};
    if (error !== undefined && unstored !== undefined && (!sent || items.every((item) => unstored.has(item)))) {
      for (const item of items) this.#givenUp.add(item);
      return noRoomCame(error, pushTimeoutMs);
    }
    return pushTimedOut(sent, pushTimeoutMs, error?.message.replace(UNKNOWN_FATE, "").trim(), error);
  }

  async #sendOnce(items: readonly QueuedItem[]): Promise<readonly PushResult[]> {
    try {
      const answers = await this.#driver.push(items);
      return answers.length === items.length ? answers : items.map((_, i) => answers[i] ?? { status: "unknown" });
    } catch (cause) {
      const error = this.#thrownError(cause);
      return items.map(() => ({ status: "failed", error }));
    }
  }

  /** A driver that throws answered for no job: after a passing failure nobody knows what was stored. */
  #thrownError(cause: unknown): JobferryError {
    const error = wrapError(this.#driver, cause, "push");
    if (!error.retryable) return error;
    return new JobferryError(error.code, `${error.message} ${UNKNOWN_FATE}`, { cause, retryable: true });
  }

  /** Whether no job found room. */
  #isFull(results: readonly PushResult[]): boolean {
    return results.every((result) => this.errorOf(result)?.code === "STORE_FULL");
  }

  #withWait(result: PushResult): PushResult {
    const error = result.status === "failed" ? this.errorOf(result) : undefined;
    if (error?.code !== "STORE_FULL" || !error.retryable || this.#closing.aborted) return result;
    if (error.message.endsWith(UNKNOWN_FATE)) return result;
    return { status: "failed", error: noRoomCame(error, this.#settings.pushTimeoutMs) };
  }

  /** Whether this answer leaves open what became of the job. What was thrown says so in its message already. */
  #mayBeStored(result: PushResult | undefined): boolean {
    if (result === undefined || result.status === "unknown") return true;
    return result.status === "failed" && isJobferryError(result.error) && result.error.message.endsWith(UNKNOWN_FATE);
  }

  /** An earlier try may have stored the job, so that this one failed says nothing about it. */
  #unsure(result: PushResult): PushResult {
    if (result.status !== "refused" && result.status !== "failed") return result;
    const { code, message, retryable } = wrapError(this.#driver, result.error, "push");
    if (message.endsWith(UNKNOWN_FATE)) return result;
    const error = new JobferryError(code, `${message} ${UNKNOWN_FATE}`, { cause: result.error, retryable });
    return { status: result.status, error };
  }

  #isRepeatable(result: PushResult | undefined): boolean {
    if (!this.#capabilities.pushById || result === undefined) return false;
    if (result.status === "unknown") return true;
    return result.status === "failed" && wrapError(this.#driver, result.error, "push").retryable;
  }

  /** What a result that is not stored means to the caller. */
  errorOf(result: PushResult | undefined): JobferryError | undefined {
    switch (result?.status) {
      case "stored":
      case "exists":
        return undefined;
      case "refused":
      case "failed":
        return wrapError(this.#driver, result.error, "push");
      default:
        return new JobferryError("UNAVAILABLE", UNKNOWN_FATE, { retryable: true });
    }
  }
}
