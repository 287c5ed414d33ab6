import type { StandardSchemaV1 } from "@standard-schema/spec";
import { invalidArgument, isJobferryError, JobferryError, PermanentError } from "../errors/index.ts";
import { checkName, checkOptions } from "../runtime/index.ts";
import { checkAttempts } from "./attempts.ts";
import type { Handler, Route } from "./handler.ts";
import type { Job, JobSnapshot } from "./job.ts";
import { JOB_OPTIONS, type JobOptions, type NewJob, UnsentJob } from "./new-job.ts";
import { ReservedSnapshot, type ReservedJob } from "./reserved-job.ts";
import { checkSchema, validate } from "./standard-schema.ts";

const OPTIONS = ["name", "payload", ...JOB_OPTIONS.filter((name) => name !== "name" && name !== "id")];

/** One kind of job, shared by those who push it and those who run it. */
export interface JobDefinition<N extends string, In, Out> {
  readonly name: N;
  /** A typed job. Its payload is checked at the push. */
  create(payload: In, options?: Omit<JobOptions, "name">): NewJob<In, N>;
  /** A route for a worker. The handler gets what the schema puts out; a payload that does not fit goes to failed at once. */
  handle<R>(handler: Handler<Out, R, N>): Route<Out, R, N>;
  /** Checks a popped job's name and payload. @throws PAYLOAD_INVALID */
  read(job: ReservedJob): Promise<ReservedJob<Out, N>>;
}

/**
 * Joins a name, a payload's schema and the options that every job of it starts with.
 * @throws INVALID_ARGUMENT naming the option.
 */
export function defineJob<const N extends string, S extends StandardSchemaV1>(
  definition: Omit<JobOptions, "name" | "id"> & Readonly<{ name: N; payload: S }>,
): JobDefinition<N, StandardSchemaV1.InferInput<S>, StandardSchemaV1.InferOutput<S>> {
  type In = StandardSchemaV1.InferInput<S>;
  type Out = StandardSchemaV1.InferOutput<S>;
  if (typeof definition !== "object" || definition === null)
    throw invalidArgument("definition", definition, "an object with name and payload");
  const { payload: schema, ...defaults } = definition;
  if ("id" in defaults) throw invalidArgument("id", defaults.id, "left out of a definition: each job has its own");
  checkOptions("defineJob", definition, OPTIONS);
  checkName("name", defaults.name);
  checkSchema("payload", schema);
  checkAttempts("defineJob", defaults);
  void new UnsentJob(undefined, defaults); // a wrong default shows here and not at the first push
  const what = `The payload of job "${definition.name}"`;

  return {
    name: definition.name,
    create: (payload: In, options?: Omit<JobOptions, "name">): NewJob<In, N> => {
      if (options !== undefined && "name" in options)
        throw invalidArgument(
          "name",
          options.name,
          `left out: the definition's jobs are all named "${definition.name}"`,
        );
      return UnsentJob.withSchema(
        new UnsentJob<In, N>(payload, { ...defaults, ...options, name: definition.name }),
        schema,
      );
    },
    handle: <R>(handler: Handler<Out, R, N>): Route<Out, R, N> => ({
      name: definition.name,
      handler: checking(schema, what, handler),
    }),
    read: async (job: ReservedJob): Promise<ReservedJob<Out, N>> => {
      if (job.name !== definition.name) {
        throw new JobferryError(
          "PAYLOAD_INVALID",
          `Job ${job.id} is a "${job.name}", not a "${definition.name}". Release it, or read it with its own definition.`,
        );
      }
      const output = await validate(schema, job.payload, what);
      return ReservedSnapshot.withOutput(job, output) as unknown as ReservedJob<Out, N>;
    },
  };
}

/** Gives the handler what the schema puts out. A worker hands over its own snapshots; it is asynchronous only where the schema is. */
function checking<Out, R, N extends string>(
  schema: StandardSchemaV1,
  what: string,
  handler: Handler<Out, R, N>,
): Handler<Out, R, N> {
  return (job, context) => {
    let output: unknown;
    try {
      output = validate(schema, job.payload, what);
    } catch (error) {
      throw unfit(error);
    }
    if (!(output instanceof Promise)) return handler(withPayload(job, output as Out), context);
    return output.then(
      (late) => handler(withPayload(job, late as Out), context),
      (error: unknown) => Promise.reject(unfit(error)),
    );
  };
}

function withPayload<P, N extends string>(job: Job<unknown, N>, payload: P): Job<P, N> {
  return (job as JobSnapshot<unknown, N>).withPayload(payload);
}

/** A payload that does not fit now never will; a schema that broke may work at the next attempt. */
function unfit(error: unknown): unknown {
  return isJobferryError(error, "PAYLOAD_INVALID") ? PermanentError.from(error) : error;
}
