import type { ErrorCode } from "../../contract/index.ts";
import {
  failureFrom,
  isJobferryError,
  isPermanent,
  JobferryError,
  LeaseLostError,
  PermanentError,
} from "../../errors/index.ts";

type Primitive = string | number | boolean | null | undefined;

/** Something thrown, as plain data: classes do not survive the way to another thread or process, and not everything can be cloned. */
export type ErrorParcel =
  | Readonly<{ kind: "value"; value: Primitive | bigint }>
  | Readonly<{
      kind: "error" | "permanent" | "jobferry";
      code: string;
      name: string;
      message: string;
      stack: string | undefined;
      retryable: boolean;
      /** Its own simple properties, `status` or `code` for example, which `shouldRetry` may ask for. */
      fields: Readonly<Record<string, Primitive>>;
      cause: ErrorParcel | undefined;
    }>;

const MAX_CAUSES = 3;
const MAX_FIELDS = 20;
const MAX_FIELD_LENGTH = 1_000;
const NATIVE: Readonly<Record<string, new (message: string, options?: { cause?: unknown }) => Error>> = {
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
};

/** Bounded in size, whatever was thrown; never throws. */
export function packError(thrown: unknown, depth = 0): ErrorParcel {
  if (isPrimitive(thrown) || typeof thrown === "bigint") return { kind: "value", value: thrown };
  const { code, name, message, stack } = failureFrom(thrown);
  const rest = { code, name, message, stack };
  try {
    const kind = isPermanent(thrown) ? "permanent" : isJobferryError(thrown) ? "jobferry" : "error";
    const { cause, retryable } = thrown as { cause?: unknown; retryable?: unknown };
    return {
      kind,
      ...rest,
      retryable: retryable === true,
      fields: simpleFields(thrown as object),
      cause: cause === undefined || depth >= MAX_CAUSES ? undefined : packError(cause, depth + 1),
    };
  } catch {
    // A getter or proxy that throws.
    return { kind: "error", ...rest, retryable: false, fields: {}, cause: undefined };
  }
}

export function unpackError(parcel: ErrorParcel): unknown {
  if (parcel.kind === "value") return parcel.value;
  const { kind, name, message, stack } = parcel;
  const options = parcel.cause === undefined ? {} : { cause: unpackError(parcel.cause) };
  if (kind === "jobferry") {
    const { code, retryable } = parcel;
    const error =
      code === "LEASE_LOST"
        ? new LeaseLostError(message, { ...options, retryable })
        : new JobferryError(code as ErrorCode, message, { ...options, retryable });
    return withStack(error, stack);
  }
  if (kind === "permanent") return withStack(new PermanentError(message, options), stack);
  const error = new (NATIVE[name] ?? Error)(message, options);
  if (error.name !== name) define(error, "name", name);
  for (const [field, value] of Object.entries(parcel.fields)) {
    Object.defineProperty(error, field, { value, configurable: true, enumerable: true, writable: true });
  }
  return withStack(error, stack);
}

/** For places where only an error will do. */
export function unpackAsError(parcel: ErrorParcel): Error {
  const error = unpackError(parcel);
  return error instanceof Error ? error : new Error(String(error));
}

function withStack(error: Error, stack: string | undefined): Error {
  define(error, "stack", stack ?? `${error.name}: ${error.message}`);
  return error;
}

function define(error: Error, property: "name" | "stack", value: string): void {
  Object.defineProperty(error, property, { value, configurable: true, writable: true });
}

function simpleFields(error: object): Readonly<Record<string, Primitive>> {
  const fields = Object.entries(error).filter(
    ([field, value]) => isPrimitive(value) && !["name", "message", "stack", "cause"].includes(field) && fits(value),
  );
  return Object.fromEntries(fields.slice(0, MAX_FIELDS) as [string, Primitive][]);
}

function fits(value: Primitive): boolean {
  return typeof value !== "string" || value.length <= MAX_FIELD_LENGTH;
}

function isPrimitive(value: unknown): value is Primitive {
  return value === null || ["string", "number", "boolean", "undefined"].includes(typeof value);
}
