import type { StandardSchemaV1 } from "@standard-schema/spec";
import { describeValue, JobferryError } from "../errors/index.ts";
import type { Encodable } from "./encodable.ts";

/** Types a payload without checking it. */
export function typed<T>(): StandardSchemaV1<Encodable<T>, T> {
  return { "~standard": { version: 1, vendor: "jobferry", validate: (value: unknown) => ({ value: value as T }) } };
}

function issueText(issue: StandardSchemaV1.Issue): string {
  const path = (issue.path ?? []).map((part) => String(typeof part === "object" ? part.key : part)).join(".");
  return path === "" ? issue.message : `${path}: ${issue.message}`;
}

function checked<T>(what: string, result: StandardSchemaV1.Result<T>): T {
  if (result.issues === undefined) return result.value;
  const shown = result.issues.slice(0, 5).map(issueText).join("; ");
  const more = result.issues.length > 5 ? ` (and ${result.issues.length - 5} more)` : "";
  throw new JobferryError("PAYLOAD_INVALID", `${what} does not fit its schema: ${shown}${more}.`, {
    cause: result.issues,
  });
}

/**
 * The schema's output; a promise only when the schema is asynchronous.
 * @throws PAYLOAD_INVALID with the schema's issues; UNEXPECTED when the schema itself broke, which another attempt may not meet.
 */
export function validate<S extends StandardSchemaV1>(
  schema: S,
  value: unknown,
  what: string,
): StandardSchemaV1.InferOutput<S> | Promise<StandardSchemaV1.InferOutput<S>> {
  const broken = (cause: unknown): never => {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new JobferryError("UNEXPECTED", `${what} could not be checked: its schema threw: ${why}`, { cause });
  };
  let result: StandardSchemaV1.Result<unknown> | Promise<StandardSchemaV1.Result<unknown>>;
  try {
    result = schema["~standard"].validate(value);
  } catch (cause) {
    return broken(cause);
  }
  if (!(result instanceof Promise)) return checked(what, result);
  return result.then((late) => checked(what, late), broken);
}

/** Schemas that have answered with a promise before. */
const asynchronous = new WeakSet<StandardSchemaV1>();

/** As `validate` for the caller's own value, but a schema that takes its time is asked about a snapshot of it, which the promise then brings. */
export function validateOrSnapshot(
  schema: StandardSchemaV1,
  value: unknown,
  what: string,
  snapshot: (value: unknown) => unknown,
): Promise<Readonly<{ value: unknown }>> | undefined {
  if (!asynchronous.has(schema)) {
    const result: unknown = validate(schema, value, what);
    if (!(result instanceof Promise)) return undefined;
    asynchronous.add(schema);
    result.catch(() => undefined); // it is asked again
  }
  const taken = snapshot(value);
  return Promise.resolve(validate(schema, taken, what)).then(() => ({ value: taken }));
}

export function checkSchema(field: string, schema: unknown): void {
  const standard =
    (typeof schema === "object" || typeof schema === "function") && schema !== null && "~standard" in schema;
  if (!standard) {
    throw new JobferryError(
      "INVALID_ARGUMENT",
      `${field} is ${describeValue(schema)}; it must be a Standard Schema (zod, valibot, arktype …), or typed<T>() for types without a check.`,
    );
  }
}
