import type { Capabilities, Driver, PushResult } from "../contract/index.ts";
import { JobferryError } from "../errors/index.ts";
import { nextTurn, type Duration } from "../runtime/index.ts";
import { Admission, closedUnanswered } from "./admission.ts";
import { BUILT_IN } from "./attempts.ts";
import type { Envelope } from "./envelope.ts";
import { Lane } from "./lane.ts";
import { checkBytes, checkDelay, checkLevel } from "./limits.ts";
import type { Draft } from "./draft.ts";
import { UnsentJob } from "./new-job.ts";
import {
  boundPayloadSize,
  copyPayload,
  encodeText,
  immutablePayload,
  kindOfPayload,
  type PayloadKind,
} from "./payload.ts";
import { type Holding, QueuedItem } from "./queued-item.ts";
import type { QueueSettings } from "./queue-options.ts";
import { RepeatedPush, UNKNOWN_FATE } from "./repeated-push.ts";
import { wrapError } from "./wrap-error.ts";

/** Text of at most so many characters stays text until a driver wants its bytes; of longer text the size must be known. */
const SHORT_TEXT = 1_024;

/** Turns drafts into items, and sends items in batches: one lane per queue keeps each producer's order. */
export class Pushing<Tx> {
  readonly #driver: Driver<Tx>;
  readonly #settings: QueueSettings;
  readonly #capabilities: Capabilities;
  readonly #admission: Admission;
  readonly #lanes = new Map<string, Lane<QueuedItem, PushResult>>();
  readonly #repeated: RepeatedPush<Tx>;
  readonly #closing: AbortSignal;
  #stopped = false;
  #toldOfIds = false;

  constructor(driver: Driver<Tx>, settings: QueueSettings, capabilities: Capabilities, closing: AbortSignal) {
    this.#driver = driver;
    this.#settings = settings;
    this.#capabilities = capabilities;
    this.#closing = closing;
    this.#repeated = new RepeatedPush(driver, settings, capabilities, closing);
    const { clock, maxPending, maxPendingBytes, pushTimeoutMs } = settings;
    this.#admission = new Admission(clock, { items: maxPending, bytes: maxPendingBytes, timeoutMs: pushTimeoutMs });
  }

  /** By the job's schema. A promise only where that is asynchronous: it brings the payload that was checked, which `item` must be made of. @throws PAYLOAD_INVALID */
  check(job: UnsentJob): Promise<Readonly<{ value: unknown }>> | undefined {
    return UnsentJob.checkSchema(job, this.#snapshot);
  }

  readonly #snapshot = (payload: unknown): unknown =>
    this.#driver.keeps === "reference" ? payload : copyPayload(kindOfPayload(payload), payload);

  /** Does not freeze the job: what is refused here may be mended. @throws PAYLOAD_INVALID, PAYLOAD_TOO_LARGE, UNSUPPORTED, INVALID_ARGUMENT */
  item(
    job: UnsentJob,
    later: Duration | Date | undefined,
    checked: Readonly<{ value: unknown }> | undefined,
  ): QueuedItem {
    const draft = UnsentJob.draft(job, this.#settings.clock.now(), later);
    this.#checkDraft(draft);
    const { fields } = draft;
    const payload = checked === undefined ? draft.payload : checked.value;
    const kind = kindOfPayload(payload);
    const holding = this.#driver.keeps ?? "bytes";
    const value = heldValue(holding, kind, payload);
    const maxLosses = draft.maxLosses ?? this.#settings.defaults.maxLosses ?? BUILT_IN.maxLosses;
    const envelope: Envelope | undefined = fields === undefined ? undefined : { ...fields, kind };
    const item = new QueuedItem(draft, { kind, holding, value }, maxLosses, envelope);
    if (holding !== "reference") this.#checkSize(item);
    return item;
  }

  #checkDraft(draft: Draft): void {
    const { runAt } = draft;
    const delayMs = runAt === undefined ? draft.delayMs : runAt - this.#settings.clock.now();
    checkDelay(this.#driver.name, this.#capabilities, delayMs);
    checkLevel(this.#driver.name, this.#capabilities, draft.priority);
    // An id that was made here has a sequence.
    if (draft.sequence === undefined && !this.#capabilities.pushById) this.#tellOfIds();
  }

  #tellOfIds(): void {
    if (this.#toldOfIds) return;
    this.#toldOfIds = true;
    this.#settings.logger.warn(
      { driver: this.#driver.name },
      "This backend cannot look whether a job of that id is there (capability pushById): pushed again under an id of yours, a job is stored and runs again. Make handlers idempotent, or use another backend. Told once.",
    );
  }

  #checkSize(item: QueuedItem): void {
    const { maxBytes } = this.#capabilities.payload;
    if (item.holding === "copy" && boundPayloadSize(item.kind, item.value) <= maxBytes) return;
    const { payloadText } = item;
    if (payloadText !== undefined && payloadText.length * 3 <= maxBytes) return;
    checkBytes(this.#driver.name, this.#capabilities, "payload", item.payload.length);
  }

  /** One answer per item. @throws UNAVAILABLE after pushTimeout, the signal's reason when it fires first. */
  async send(
    items: readonly QueuedItem[],
    options: Readonly<{ signal?: AbortSignal | undefined }> = {},
  ): Promise<readonly PushResult[]> {
    const [first] = items;
    if (first === undefined) return [];
    options.signal?.throwIfAborted();
    if (this.#closing.aborted) throw this.#closing.reason;
    let bytes = 0;
    for (const item of items) bytes += item.weight;
    const waiting = this.#admission.enter(items.length, bytes);
    if (waiting === undefined) {
      const call = this.#launch(first.queue, items, bytes);
      return this.#bounded(items, call.answer, call.withdraw, options.signal);
    }
    let call: Readonly<{ answer: Promise<readonly PushResult[]>; withdraw: () => boolean }> | undefined;
    let withdrawn = false;
    const answer = waiting.admitted.then(() => {
      if (withdrawn) {
        this.#admission.leave(items.length, bytes); // it gave up in the moment in which it was let in
        return [];
      }
      call = this.#launch(first.queue, items, bytes);
      return call.answer;
    });
    const withdraw = (): boolean => {
      if (call !== undefined) return call.withdraw();
      withdrawn = true;
      waiting.withdraw();
      return true;
    };
    return this.#bounded(items, answer, withdraw, options.signal);
  }

  #launch(
    queue: string,
    items: readonly QueuedItem[],
    bytes: number,
  ): Readonly<{ answer: Promise<readonly PushResult[]>; withdraw: () => boolean }> {
    const call = this.#lane(queue).add(items, bytes);
    // Room is given back when the store has answered, also after the caller has stopped waiting.
    const leave = (): void => this.#admission.leave(items.length, bytes);
    call.answer.then(leave, leave);
    const withdraw = (): boolean => {
      const taken = call.withdraw();
      if (taken) leave();
      return taken;
    };
    return { answer: call.answer, withdraw };
  }

  /** Inside the caller's transaction: no batching, no repeating; the caller's commit decides. It is sent at once, so a signal counts before. */
  async sendInside(
    items: readonly QueuedItem[],
    transaction: Tx,
    signal: AbortSignal | undefined,
  ): Promise<readonly PushResult[]> {
    signal?.throwIfAborted();
    try {
      return await this.#driver.push(items, { transaction });
    } catch (error) {
      throw wrapError(this.#driver, error, "push");
    }
  }

  /** Of items of one queue. */
  #bounded<T>(
    items: readonly QueuedItem[],
    promise: Promise<T>,
    withdraw: () => boolean,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        unwatch();
        signal?.removeEventListener("abort", onAbort);
      };
      const unwatch = this.#admission.watch(() => {
        signal?.removeEventListener("abort", onAbort);
        const sent = !withdraw();
        reject(this.#stopped ? closedUnanswered(sent) : this.#repeated.timedOut(items[0]?.queue ?? "", sent, items));
      });
      const onAbort = (): void => {
        unwatch();
        reject(withdraw() ? signal?.reason : abortedAfterSending(signal?.reason));
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      promise.then(
        (value) => {
          end();
          resolve(value);
        },
        (error: unknown) => {
          end();
          reject(error);
        },
      );
    });
  }

  #lane(queue: string): Lane<QueuedItem, PushResult> {
    let lane = this.#lanes.get(queue);
    if (lane === undefined) {
      if (this.#lanes.size >= 1_000) this.#dropIdleLanes();
      const { maxItems, maxBytes, roundTrip } = this.#capabilities.batch;
      lane = new Lane((items) => this.#repeated.send(queue, items), {
        items: maxItems,
        bytes: maxBytes,
        gather: roundTrip,
      });
      this.#lanes.set(queue, lane);
    }
    return lane;
  }

  #dropIdleLanes(): void {
    for (const [queue, lane] of this.#lanes) if (lane.idle) this.#lanes.delete(queue);
  }

  /** What a result that is not stored means to the caller. */
  errorOf(result: PushResult | undefined): JobferryError | undefined {
    return this.#repeated.errorOf(result);
  }

  /** Resolves when everything that was let in has its answer. */
  drained(): Promise<void> {
    return this.#admission.drained();
  }

  /** The driver is closed: who has no answer by now gets none, and must not wait for it. */
  async stop(): Promise<void> {
    if (!this.#admission.empty) await new Promise<void>(nextTurn); // answers that the closing driver gave are on their way
    this.#stopped = true;
    this.#admission.close();
  }
}

function abortedAfterSending(cause: unknown): JobferryError {
  return new JobferryError("UNAVAILABLE", `The push was aborted after it was sent. ${UNKNOWN_FATE}`, {
    cause,
    retryable: true,
  });
}

function heldValue(holding: Holding, kind: PayloadKind, payload: unknown): unknown {
  switch (holding) {
    case "copy":
      return copyPayload(kind, payload);
    case "reference":
      return payload;
    case "bytes": {
      const form = immutablePayload(kind, payload);
      return typeof form === "string" && form.length > SHORT_TEXT ? encodeText(form) : form;
    }
  }
}
