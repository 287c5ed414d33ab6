import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const read = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8");

function codesOfType(): readonly string[] {
  return [...read("src/contract/error-codes.ts").matchAll(/^ {2}\| "([A-Z_]+)"/gm)].map((match) => match[1] ?? "");
}

type Row = readonly [code: string, when: string, advice: string, retryable: string];

function rows(): readonly Row[] {
  return [...read("docs/errors.md").matchAll(/^\| `([A-Z_]+)` \| (.+) \| (.+) \| (.+) \|$/gm)].map(
    (match) => [match[1] ?? "", match[2] ?? "", match[3] ?? "", match[4] ?? ""] as const,
  );
}

test("every code has one row, in the order of the alphabet, and every row a code", () => {
  const codes = codesOfType();
  expect(codes.length).toBeGreaterThan(30);
  expect(rows().map(([code]) => code)).toEqual(codes);
});

test("every row says when, what to do and whether to try again", () => {
  for (const [code, when, advice, retryable] of rows()) {
    expect(when, code).toMatch(/^\S.{10,}\.$/);
    expect(advice, code).toMatch(/^\S.{4,}\.$/);
    expect(["yes", "no", "as its cause"], code).toContain(retryable);
  }
});
