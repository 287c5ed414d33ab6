import { describeValue, JobferryError } from "../errors/index.ts";

/** Deeper values would overflow the stack of some JSON parser on the way. */
const MAX_DEPTH = 500;

type Path = Readonly<{ parent: Path | undefined; key: string | number }>;

const MAX_PARTS_SHOWN = 12;

/** The way to the place; a long one (a cycle) without its middle. */
function pathText(path: Path | undefined): string {
  const parts: string[] = [];
  for (let at = path; at !== undefined; at = at.parent)
    parts.push(typeof at.key === "number" ? `[${at.key}]` : `[${describeValue(at.key)}]`);
  parts.reverse();
  const left = parts.length - MAX_PARTS_SHOWN;
  if (left > 0) parts.splice(MAX_PARTS_SHOWN / 2, left, `…(${left} more)…`);
  return `payload${parts.join("")}`;
}

function refuse(path: Path | undefined, value: unknown, why: string): never {
  throw new JobferryError("PAYLOAD_INVALID", `${pathText(path)} is ${describeValue(value)}; ${why}`);
}

const ADVICE =
  "JSON would change it. Use strings, finite numbers, booleans, null, arrays and plain objects, or pass bytes.";

function refuseObject(path: Path | undefined, value: object): never {
  const known = value instanceof Date || value instanceof Map || value instanceof Set;
  refuse(path, value, known ? `convert it first (toISOString(), [...entries]). ${ADVICE}` : ADVICE);
}

/**
 * A deep copy of a JSON value that refuses what JSON would change, naming the place. Members that are undefined are left out, as JSON does;
 * -0 becomes 0. Checking and copying in one walk costs a fifth (a small object) to a half (a list of objects) of stringify and parse.
 * @throws PAYLOAD_INVALID
 */
export function copyJson(value: unknown): unknown {
  return copy(value, undefined, 0);
}

/** The same check without a copy. @throws PAYLOAD_INVALID */
export function checkJson(value: unknown): void {
  check(value, undefined, 0);
}

/** A copy of a value that `copyJson` made: no checks. */
export function copyChecked(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(copyChecked);
  const result = { ...value } as Record<string, unknown>;
  for (const key in result) {
    const member = result[key];
    if (typeof member === "object" && member !== null) put(result, key, copyChecked(member));
  }
  return result;
}

/** An upper bound of the value's encoded size, cheap; only values near a limit are measured exactly. */
export function boundJsonSize(value: unknown): number {
  if (typeof value === "string") return value.length * 6 + 2;
  if (typeof value !== "object" || value === null) return 26;
  let size = 2;
  if (Array.isArray(value)) {
    for (const item of value) size += boundJsonSize(item) + 1;
    return size;
  }
  const source = value as Record<string, unknown>;
  for (const key in source) size += key.length * 6 + 4 + boundJsonSize(source[key]);
  return size;
}

function put(target: Record<string, unknown>, key: string, value: unknown): void {
  if (key === "__proto__")
    Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
  else target[key] = value;
}

function scalar(value: unknown, path: Path | undefined): unknown {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "number":
      if (!Number.isFinite(value)) refuse(path, value, ADVICE);
      return value === 0 ? 0 : value;
    default:
      refuse(path, value, ADVICE);
  }
}

function checkObject(value: object, path: Path | undefined, depth: number): void {
  if (depth > MAX_DEPTH) refuse(path, value, `it is nested deeper than ${MAX_DEPTH} levels or contains itself.`);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (Array.isArray(value) ? prototype !== Array.prototype : prototype !== Object.prototype && prototype !== null) {
    refuseObject(path, value);
  }
  if (Object.getOwnPropertySymbols(value).length > 0) refuse(path, value, "it has symbol keys, which JSON drops.");
}

function copy(value: unknown, path: Path | undefined, depth: number): unknown {
  if (typeof value !== "object") return scalar(value, path);
  if (value === null) return null;
  checkObject(value, path, depth);
  if (Array.isArray(value)) {
    const result: unknown[] = [];
    for (let i = 0; i < value.length; i += 1) result.push(copy(value[i], { parent: path, key: i }, depth + 1));
    return result;
  }
  // The platform clones a whole object at once and to its size: a member at a time took twice as long and 16 bytes more.
  const result = { ...value } as Record<string, unknown>;
  for (const key of Object.keys(result)) {
    const member = result[key];
    if (member === undefined) return copyDefined(result, path, depth);
    if (typeof member !== "string") replace(result, key, member, copy(member, { parent: path, key }, depth + 1));
  }
  return result;
}

/** As `copy`, without the members that are undefined: to delete them would make a slow object. */
function copyDefined(source: Readonly<Record<string, unknown>>, path: Path | undefined, depth: number): unknown {
  const result: Record<string, unknown> = {};
  for (const key of Object.keys(source)) {
    const member = source[key];
    if (member !== undefined) put(result, key, copy(member, { parent: path, key }, depth + 1));
  }
  return result;
}

/** Writes only what changed; -0 and 0 are not the same here. */
function replace(target: Record<string, unknown>, key: string, before: unknown, after: unknown): void {
  if (!Object.is(before, after)) put(target, key, after);
}

function check(value: unknown, path: Path | undefined, depth: number): void {
  if (typeof value !== "object") return void scalar(value, path);
  if (value === null) return;
  checkObject(value, path, depth);
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i += 1) check(value[i], { parent: path, key: i }, depth + 1);
    return;
  }
  const source = value as Record<string, unknown>;
  for (const key of Object.keys(source)) {
    const member = source[key];
    if (member !== undefined && typeof member !== "string") check(member, { parent: path, key }, depth + 1);
  }
}
