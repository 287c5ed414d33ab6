import type { Texts } from "../../contract/index.ts";

const encoder = new TextEncoder();

export function bytesOf(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Bytes without a pattern that compression or a text codec could hide behind. The same length gives the same bytes. */
export function noise(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = 0x9e3779b9;
  for (let index = 0; index < length; index += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

export const EVERY_BYTE: Uint8Array = Uint8Array.from({ length: 256 }, (_, index) => index);

/** All of them pass `checkName`. Neighbours differ only in what a careless backend folds together: case, accents, normal form, wildcards, separators. */
export const HOSTILE_NAMES: readonly string[] = [
  "a",
  "A",
  "é",
  "e\u0301",
  "e",
  "ß",
  "ss",
  "a/b",
  "a//b",
  "a%2Fb",
  "a:b",
  "a.b",
  "a*",
  "a?",
  "a#",
  "a b",
  "a_b",
  "a-b",
  "{a}",
  "..",
  "../../etc/passwd",
  "'; DROP TABLE jobs; --",
  '"a"',
  "`a`",
  "$1",
  "$&",
  "%s",
  "\\",
  "\\x00",
  "null",
  "undefined",
  "NaN",
  "0",
  "00",
  "__proto__",
  "constructor",
  "hasOwnProperty",
  "toString",
  "名前",
  "🚀",
  "👩‍👩‍👧",
  "\u202eabc",
  "\u{10ffff}",
  "x".repeat(200),
  "名".repeat(200),
];

/** Own keys that a plain object literal or assignment would lose. */
export function hostileTags(): Texts {
  return Object.fromEntries([
    ["__proto__", "polluted"],
    ["constructor", "x"],
    ["", "empty key"],
    ["empty value", ""],
    ["ключ", "значение 🚀"],
    ["a\u0000b", "c\u0000d"],
    ["quote\"'`", "\r\n\t\\"],
    ["10", "digits come first in an object"],
    ["2", "two"],
    ["long", "v".repeat(5_000)],
  ]);
}
