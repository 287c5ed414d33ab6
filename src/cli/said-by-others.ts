import { isJobferryError } from "../entry/index.ts";
import { CliError } from "./cli-error.ts";
import { EXIT, exitCodeOf } from "./exit-codes.ts";

/** Deeper than any chain of causes is. */
const MOST_CAUSES = 10;

/**
 * The texts of servers and client libraries behind an error of a backend, whose own message is in Jobferry's fixed words. undefined: that message may repeat what others
 * said, and nobody knows what.
 */
export function saidByOthers(error: unknown): readonly string[] | undefined {
  if (exitCodeOf(error) !== EXIT.backend) return undefined;
  const texts: string[] = [];
  let left: readonly unknown[] = [error];
  for (let depth = 0; left.length > 0; depth += 1) {
    if (depth > MOST_CAUSES || left.some((one) => isJobferryError(one, "UNEXPECTED"))) return undefined;
    texts.push(...left.flatMap(textsOf));
    left = left.flatMap(causesOf);
  }
  return texts;
}

function textsOf(error: unknown): readonly string[] {
  if (isJobferryError(error) || error instanceof CliError) return [];
  if (typeof error !== "object" || error === null) return [String(error)];
  const told = Object.entries(Object.getOwnPropertyDescriptors(error)).filter(([name]) => name !== "stack");
  return told.flatMap(([, { value }]: readonly [string, PropertyDescriptor]) =>
    typeof value === "string" ? [value] : [],
  );
}

function causesOf(error: unknown): readonly unknown[] {
  if (typeof error !== "object" || error === null) return [];
  const { cause, errors } = error as Readonly<{ cause?: unknown; errors?: unknown }>;
  return [...(cause === undefined ? [] : [cause]), ...(Array.isArray(errors) ? (errors as readonly unknown[]) : [])];
}
