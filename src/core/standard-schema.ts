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

/** The schema's output; a promise only when the schema is asynchronous. @throws PAYLOAD_INVALID with the schema's issues. */
export function validate<S extends StandardSchemaV1>(
  schema: S,
  value: unknown,
  what: string,
): StandardSchemaV1.InferOutput<S> | Promise<StandardSchemaV1.InferOutput<S>> {
  const result = schema["~standard"].validate(value);
  return result instanceof Promise ? result.then((late) => checked(what, late)) : checked(what, result);
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
