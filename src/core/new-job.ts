import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { Texts } from "../contract/index.ts";
import { JobferryError } from "../errors/index.ts";
import {
  checkName,
  checkOptions,
  idOfSequence,
  nextSequence,
  parseDuration,
  systemClock,
  type Duration,
} from "../runtime/index.ts";
import {
  ATTEMPT_OPTIONS,
  type Attempts,
  checkAttempts,
  checkCount,
  type CheckedAttempts,
  NO_ATTEMPTS,
} from "./attempts.ts";
import type { Draft } from "./draft.ts";
import { type Envelope, NO_TEXTS, plainEnvelope } from "./envelope.ts";
import { type Job, shownJob, showOnInspect } from "./job.ts";
import type { Encodable } from "./encodable.ts";
import { AT_ONCE, checkId, checkPriority, checkTexts, checkWhen, setText, type When } from "./job-fields.ts";
import { encodePayload, kindOfPayload } from "./payload.ts";
import { validateOrSnapshot } from "./standard-schema.ts";

export type JobOptions = Attempts &
  Readonly<{
    /** 1 to 200 characters; made by Jobferry when left out. Pushing an id that is still kept changes nothing, where the backend can tell. */
    id?: string;
    /** What the worker's routes go by. Default "default". */
    name?: string;
    /** Default "default". */
    queue?: string;
    /** How long to wait before the first attempt, or the time of it. */
    delay?: Duration | Date;
    /** After this no further attempt is made: a failing handler ends in failed with RETRY_EXPIRED. */
    retryUntil?: Duration | Date;
    /** An integer, higher first. Default 0. */
    priority?: number;
    tags?: Texts;
    headers?: Texts;
  }>;

/** Not yet pushed: settable until the first push (then JOB_FROZEN). Pushing it again after an error is safe where pushes are by id: stored once. */
export interface NewJob<P = unknown, N extends string = string> extends Omit<
  Job<P, N>,
  "queue" | "priority" | "delay" | "timeout" | "maxAttempts"
> {
  queue: string;
  priority: number;
  maxAttempts: number | undefined;
  get delay(): number;
  set delay(value: Duration | Date);
  get timeout(): number | undefined;
  set timeout(value: Duration | undefined);
  addTag(key: string, value: string): this;
}

export const JOB_OPTIONS: readonly string[] = [
  ...ATTEMPT_OPTIONS,
  "id",
  "name",
  "queue",
  "delay",
  "retryUntil",
  "priority",
  "tags",
  "headers",
];
const NEVER_PUSHED = -1;

export class UnsentJob<P = unknown, N extends string = string> implements NewJob<P, N> {
  readonly payload: P;
  readonly name: N;
  readonly createdAt: number;
  readonly attempts = 0;
  readonly losses = 0;
  readonly exceptions = 0;
  readonly reservedAt: undefined;
  readonly #sequence: number | undefined;
  #id: string | undefined;
  #queue = "default";
  #priority = 0;
  #delay: When = AT_ONCE;
  #retryUntil: When | undefined;
  #attempts: CheckedAttempts = NO_ATTEMPTS;
  #tags: Texts = NO_TEXTS;
  #headers: Texts = NO_TEXTS;
  /** What a later version wrote, carried along. */
  #newer: Pick<Envelope, "key" | "unknown"> | undefined;
  #schema: StandardSchemaV1 | undefined;
  /** The pushing queue's clock at the first push; a job that is pushed again stays as old as it is. */
  #pushedAt = NEVER_PUSHED;

  constructor(payload: P, options: JobOptions | undefined, createdAt: number = systemClock.now()) {
    this.payload = payload;
    this.createdAt = createdAt;
    this.name = (options?.name === undefined ? "default" : checkName("name", options.name)) as N;
    if (options !== undefined) this.#setOptions(options);
    this.#sequence = this.#id === undefined ? nextSequence() : undefined;
  }

  #setOptions(options: JobOptions): void {
    checkOptions("createJob", options, JOB_OPTIONS);
    const { id, queue, delay, retryUntil, priority, tags, headers } = options;
    if (id !== undefined) this.#id = checkId(id);
    if (queue !== undefined) this.#queue = checkName("queue", queue);
    if (delay !== undefined) this.#delay = checkWhen("delay", delay);
    if (retryUntil !== undefined) this.#retryUntil = checkWhen("retryUntil", retryUntil);
    if (priority !== undefined) this.#priority = checkPriority(priority);
    if (tags !== undefined) this.#tags = checkTexts("tags", tags);
    if (headers !== undefined) this.#headers = checkTexts("headers", headers);
    // A job without options of its own has a plain envelope: two bytes, and no object in memory.
    if (ATTEMPT_OPTIONS.some((name) => name in options)) this.#attempts = checkAttempts("createJob", options);
  }

  get id(): string {
    this.#id ??= idOfSequence(this.#sequence ?? 0);
    return this.#id;
  }
  get bytes(): Uint8Array {
    return encodePayload(kindOfPayload(this.payload), this.payload);
  }
  get queue(): string {
    return this.#queue;
  }
  set queue(value: string) {
    this.#mutable("queue");
    this.#queue = checkName("queue", value);
  }
  get priority(): number {
    return this.#priority;
  }
  set priority(value: number) {
    this.#mutable("priority");
    this.#priority = checkPriority(value);
  }
  get maxAttempts(): number | undefined {
    return this.#attempts.maxAttempts;
  }
  set maxAttempts(value: number | undefined) {
    this.#mutable("maxAttempts");
    this.#attempts = {
      ...this.#attempts,
      maxAttempts: value === undefined ? undefined : checkCount("maxAttempts", value),
    };
  }
  get timeout(): number | undefined {
    return this.#attempts.timeout;
  }
  set timeout(value: Duration | undefined) {
    this.#mutable("timeout");
    this.#attempts = {
      ...this.#attempts,
      timeout: value === undefined ? undefined : parseDuration(value, "timeout", { min: 1 }),
    };
  }
  /** Milliseconds from the job's creation. */
  get delay(): number {
    return "in" in this.#delay ? this.#delay.in : Math.max(0, this.#delay.at - this.createdAt);
  }
  set delay(value: Duration | Date) {
    this.#mutable("delay");
    this.#delay = checkWhen("delay", value);
  }
  get availableAt(): number {
    return this.createdAt + this.delay;
  }
  get tags(): Texts {
    return this.#tags;
  }
  get headers(): Texts {
    return this.#headers;
  }

  addTag(key: string, value: string): this {
    this.#mutable("tags");
    const tags = { ...this.#tags };
    setText("tags", tags, key, value);
    this.#tags = checkTexts("tags", tags);
    return this;
  }

  toJSON(): Readonly<Record<string, unknown>> {
    return shownJob(this);
  }

  static {
    showOnInspect(this.prototype);
  }

  #mutable(field: string): void {
    if (this.#pushedAt === NEVER_PUSHED) return;
    throw new JobferryError(
      "JOB_FROZEN",
      `Job ${this.id} was pushed already, so its ${field} cannot change. Create another job with createJob().`,
    );
  }

  /** From now on its setters throw: it is about to be sent. */
  static freeze(job: UnsentJob, createdAt: number): void {
    if (job.#pushedAt === NEVER_PUSHED) job.#pushedAt = createdAt;
  }

  /** What is to be sent. `now` is the queue's clock; `later` takes the place of the job's own delay. */
  static draft(job: UnsentJob, now: number, later: Duration | Date | undefined): Draft {
    const delay = later === undefined ? job.#delay : checkWhen("delay", later);
    const createdAt = job.#pushedAt === NEVER_PUSHED ? now : job.#pushedAt;
    const delayMs = "in" in delay ? delay.in : Math.max(0, delay.at - now);
    return {
      id: job.#id,
      sequence: job.#sequence,
      queue: job.#queue,
      name: job.name,
      priority: job.#priority,
      tags: job.#tags,
      delayMs: "in" in delay ? delayMs : 0,
      runAt: "at" in delay ? delay.at : undefined,
      maxLosses: job.#attempts.maxLosses,
      createdAt,
      payload: job.payload,
      fields: job.#fields(delayMs, createdAt),
    };
  }

  #fields(delay: number, pushedAt: number): Omit<Envelope, "kind"> | undefined {
    const retryUntil = this.#retryUntil;
    const plain =
      this.#attempts === NO_ATTEMPTS && this.#headers === NO_TEXTS && retryUntil === undefined && delay === 0;
    if (plain && this.#newer === undefined) return undefined;
    const { maxAttempts, maxExceptions, maxLosses, backoff, timeout } = this.#attempts;
    return {
      ...{ maxAttempts, maxExceptions, maxLosses, backoff, timeout, delay },
      retryUntil: retryUntil === undefined ? undefined : "at" in retryUntil ? retryUntil.at : pushedAt + retryUntil.in,
      headers: this.#headers,
      key: this.#newer?.key,
      unknown: this.#newer?.unknown ?? {},
    };
  }

  static withSchema<Q, M extends string>(job: UnsentJob<Q, M>, schema: StandardSchemaV1): UnsentJob<Q, M> {
    job.#schema = schema;
    return job;
  }

  /**
   * Checks the payload by the definition's schema, where there is one. An asynchronous schema gets a snapshot, because the caller may change the
   * payload meanwhile; the promise brings what was checked. @throws PAYLOAD_INVALID
   */
  static checkSchema(
    job: UnsentJob,
    snapshot: (payload: unknown) => unknown,
  ): Promise<Readonly<{ value: unknown }>> | undefined {
    if (job.#schema === undefined) return undefined;
    return validateOrSnapshot(job.#schema, job.payload, `The payload of job "${job.name}"`, snapshot);
  }

  /** A serialized job again, with what a later version wrote beside the fields that are known here. */
  static restore(
    payload: unknown,
    options: JobOptions,
    createdAt: number,
    { key, unknown }: Pick<Envelope, "key" | "unknown">,
  ): UnsentJob {
    const job = new UnsentJob(payload, options, createdAt);
    if (key !== undefined || Object.keys(unknown).length > 0) job.#newer = { key, unknown };
    return job;
  }

  /** The time that the user gave; undefined for a delay that counts from the push. */
  static runAtOf(job: UnsentJob): number | undefined {
    return "at" in job.#delay ? job.#delay.at : undefined;
  }

  /** The envelope without freezing, for serializeJob. */
  static envelopeOf(job: UnsentJob): Envelope {
    const fields = job.#fields(job.delay, job.#pushedAt === NEVER_PUSHED ? job.createdAt : job.#pushedAt);
    const kind = kindOfPayload(job.payload);
    return fields === undefined ? plainEnvelope(kind) : { ...fields, kind };
  }
}

/**
 * A job to push. Its id is made here, so that pushing it again after an error is safe.
 * @throws INVALID_ARGUMENT naming the option; the payload is checked at the push (PAYLOAD_INVALID, PAYLOAD_TOO_LARGE).
 */
export function createJob<const P>(payload: P & Encodable<P>, options?: JobOptions): NewJob<P> {
  return new UnsentJob<P>(payload, options);
}
