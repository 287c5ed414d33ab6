import { describe, expect, test } from "vitest";
import { arrayText, binaryArray } from "../../../src/drivers/postgres/arrays.ts";
import { breaksConnection, classify, mayBeDone } from "../../../src/drivers/postgres/errors.ts";
import { labelOf } from "../../../src/drivers/postgres/target-label.ts";
import { resolveOptions } from "../../../src/drivers/postgres/options.ts";
import { statementsFor } from "../../../src/drivers/postgres/statements.ts";
import { quoted, storedText, textOf } from "../../../src/drivers/postgres/text.ts";

describe("arrays", () => {
  test("binary: dimensions, a flag for NULL, the type, the length, then each with its length", () => {
    expect([...binaryArray({ type: "int4", values: [-1, null] })]).toEqual([
      ...[0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 23, 0, 0, 0, 2, 0, 0, 0, 1],
      ...[0, 0, 0, 4, 255, 255, 255, 255, 255, 255, 255, 255],
    ]);
    expect([...binaryArray({ type: "text", values: [] })]).toEqual([0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 25]);
  });

  test.each([0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1])("binary: the place %i", (value) => {
    expect(binaryArray({ type: "int8", values: [value] }).readBigInt64BE(24)).toBe(BigInt(value));
  });

  test("as text: quotes, backslashes, bytes and NULL", () => {
    expect(arrayText({ type: "text", values: ['a"b', "\\", "NULL", "", null] })).toBe(
      '{"a\\"b","\\\\","NULL","",NULL}',
    );
    expect(arrayText({ type: "bytea", values: [Uint8Array.of(0, 255)] })).toBe('{"\\\\x00ff"}');
    expect(arrayText({ type: "float8", values: [1.5, -2] })).toBe("{1.5,-2}");
  });
});

describe("URLs", () => {
  test.each([
    ...["postgres://u:p@h:5432/d", "postgresql://u:p w@h/d", "postgres://u:100%@h/d", "postgres://[::1]:5432/d"],
    ...["postgres:///d?host=/var/run/postgresql", "postgres://u:p@/d", "postgres://%2Fvar%2Frun/d", "postgres://h"],
  ])("%s is taken", (url) => expect(resolveOptions({ url }).url).toBe(url));

  test.each(["sslmod=require", "schem=jobs", "SSLMODE=require", "schema=a&schema=b"])(
    "a slip of the pen that would cost encryption or the jobs' place is refused: %s",
    (query) => {
      expect(() => resolveOptions({ url: `postgres://u:s3cret@h/d?${query}` })).toThrow(/PostgreSQL URL/);
    },
  );

  test("what means something to pg, or to others, is left to them", () => {
    const url = "postgres://h/d?sslmode=require&application_name=a&pgbouncer=true&pool_timeout=5&sslrootcert=x";
    expect(resolveOptions({ url }).url).toBe(url);
  });

  test.each(["postgres://u:s3cret@h:99999/d", "postgres://u:s3cret#x@h/d", "postgres://u:s3cret@h:port/d"])(
    "%s is refused without its password",
    (url) => {
      const refused = (): unknown => resolveOptions({ url });
      expect(refused).toThrow(/host or port that cannot be read/);
      expect(refused).not.toThrow(/s3cret/);
    },
  );
});

describe("text", () => {
  test.each(["plain", "", "a\0b", "\ud800", "\u0001x", '\u0001"x"', "ü🚀"])("%j comes back", (text) => {
    const stored = storedText(text);
    expect(textOf(stored)).toBe(text);
    expect(stored.includes("\0")).toBe(false);
    expect(stored.isWellFormed()).toBe(true);
  });

  test("an identifier holds anything", () => expect(quoted('a"b')).toBe('"a""b"'));
});

test("the sequence of places is not read as a table: for that USAGE on it, which the guide names, is not enough", () => {
  for (const { text } of Object.values(statementsFor("s"))) expect(text).not.toMatch(/FROM\s+"s"\.places/);
  expect(statementsFor(`o'"s`).lastPlace.text).toContain(`'"o''""s".places'::regclass`);
});

describe("what an error means", () => {
  const of = (code: string, message = "raw text with SQL"): Error => Object.assign(new Error(message), { code });

  test.each([
    ["28P01", "ACCESS_DENIED", false],
    ["42501", "ACCESS_DENIED", false],
    ["25006", "STORE_READ_ONLY", true],
    ["25P02", "INVALID_ARGUMENT", false],
    ["53100", "STORE_FULL", true],
    ["53300", "UNAVAILABLE", true],
    ["40P01", "UNAVAILABLE", true],
    ["57P03", "UNAVAILABLE", true],
    ["57014", "UNAVAILABLE", true],
    ["ECONNREFUSED", "UNAVAILABLE", true],
    ["42883", "STORE_OUTDATED", false],
    ["XX001", "STORE_CORRUPT", false],
    ["23505", "UNEXPECTED", false],
  ])("%s is %s", (code, wanted, retryable) => {
    const found = classify(of(code), "PostgreSQL at h:1");
    expect(found).toMatchObject({ code: wanted, retryable });
    expect(found.message ?? "").not.toContain("raw text");
  });

  test.each([
    ['no pg_hba.conf entry for host "h", user "u", database "d", no encryption', /without TLS/],
    ['no pg_hba.conf entry for host "h", user "u", database "d", SSL off', /without TLS/],
    ['pg_hba.conf rejects connection for host "h", user "u", database "d", SSL encryption', /with TLS/],
    ['no pg_hba.conf entry for host "h", user "u", database "d", SSL on', /with TLS/],
  ])("%s", (message, wanted) => {
    const found = classify(of("28000", message), "PostgreSQL at h:1");
    expect(found).toMatchObject({ code: "ACCESS_DENIED", message: expect.stringMatching(wanted) as string });
    expect(found.message).not.toContain('"u"');
  });

  test("a connection that ended may have done what it was told; one that was never there has not", () => {
    expect(mayBeDone(new Error("Connection terminated unexpectedly"))).toBe(true);
    expect(mayBeDone(of("57P01"))).toBe(true);
    expect(mayBeDone(of("40P01"))).toBe(false);
    expect(mayBeDone(of("53100"))).toBe(false);
    expect(breaksConnection(of("25006"))).toBe(true);
    expect(breaksConnection(of("40001"))).toBe(false);
  });
});

describe("what was tried", () => {
  test.each([
    ["postgres://app:secret@db:6432/shop", 'PostgreSQL at db:6432, database "shop" as user "app"'],
    ["postgres://db/shop", 'PostgreSQL at db:5432, database "shop"'],
    [
      "postgres://us%40er:p%2Fw@db/shop?sslmode=require&schema=x",
      'PostgreSQL at db:5432, database "shop" as user "us@er"',
    ],
  ])("%s", (url, wanted) => expect(labelOf(resolveOptions({ url }))).toBe(wanted));

  test("options beside a URL win, and a password is never named", () => {
    const label = labelOf(
      resolveOptions({ url: "postgres://db/shop", connection: { host: "other", password: "secret" } }),
    );
    expect(label).toContain("other");
    expect(label).not.toContain("secret");
  });

  test("schema is ours, the rest of the URL is pg's", () => {
    const { url, schema } = resolveOptions({ url: "postgres://db/shop?sslmode=require&schema=jobs%20of%20x" });
    expect(url).toBe("postgres://db/shop?sslmode=require");
    expect(schema).toBe("jobs of x");
  });
});
