import { describe, expect, test } from "vitest";
import { JobferryError } from "jobferry";
import { jobOfLine } from "../../src/cli/import/job-line.ts";
import { type Line, MAX_LINE_BYTES, readLines } from "../../src/cli/import/lines.ts";
import { holdsSecret, redactorFor } from "../../src/cli/redact.ts";
import { saidByOthers } from "../../src/cli/said-by-others.ts";
import { relative, shortLength } from "../../src/cli/times.ts";
import { queueChoice } from "../../src/cli/work/queue-choice.ts";

describe("redactorFor", () => {
  test.for([
    ["redis://user:p%40ss@h/0?password=zz", "redis://***:***@h/0?password=***"],
    ["kafka://u:p/w@a:9092,b:9092", "kafka://***:***@a:9092,b:9092"],
    ["amqp://u:a@b@c@host/v", "amqp://***:***@host/v"],
    ["sqlite:./jobs.db?api_key=zz&mode=x", "sqlite:./jobs.db?api_key=***&mode=x"],
  ] as const)("%s", ([url, shown]) => {
    expect(redactorFor(url)(`Cannot open ${url} now`)).toBe(`Cannot open ${shown} now`);
  });

  test("secrets of the URL also on their own, decoded too", () => {
    const redact = redactorFor("redis://user:p%40ssword@h/0");
    expect(redact("authentication of p@ssword and p%40ssword failed")).toBe("authentication of *** and *** failed");
  });

  test("a user name without a password is no secret where it stands on its own", () => {
    const url = "postgres://postgres@h/postgres";
    expect(redactorFor(url)(`postgres at ${url}`)).toBe("postgres at postgres://***:***@h/postgres");
    expect([url, "redis://:pw@h", "postgres://u:pw@h", "amqp://h?password=x"].map(holdsSecret)).toEqual([
      ...[false, true, true, true],
    ]);
  });

  test("a password that is an ordinary word is none in words of ours, and is one in those of others", () => {
    const redact = redactorFor("redis://wrong:wrong@h/0");
    expect(redact("Something is wrong. redis://wrong:wrong@h/0", [])).toBe("Something is wrong. redis://***:***@h/0");
    expect(redact("Something is wrong")).toBe("Something is ***");
    expect(redact("Something is wrong", ["no user wrong"])).toBe("Something is ***");
    expect(redact('wrong:6379, ./wrong/x, "a wrong name", key=wrong, wrongly', [])).toBe(
      '***:6379, ./***/x, "a *** name", key=***, ***ly',
    );
    expect(redactorFor("redis://u:wr0ng@h")("Something is wr0ng", [])).toBe("Something is ***");
  });

  test("how a URL is written is shown, also where one with a password is masked", () => {
    const form = "redis://[USER[:PASSWORD]@]HOST, etcd://[USER:PASSWORD@]HOST";
    expect(redactorFor("redis://u:hunter22@h:99999")(`redis://u:hunter22@h:99999: write it as ${form}`)).toBe(
      `redis://***:***@h:99999: write it as ${form}`,
    );
  });

  test("several URLs, each with secrets of its own", () => {
    const redact = redactorFor("amqp://u:first-word@h", undefined, "postgres://u:second-word@h");
    expect(redact("first-word, second-word")).toBe("***, ***");
  });

  test("how a login is shown to ZooKeeper is no secret, and stands in its messages", () => {
    const redact = redactorFor("zookeeper://me:hunter22@h/root?auth=sasl");
    expect(redact('zookeeper://h/root?auth=sasl wants "sasl"')).toBe('zookeeper://h/root?auth=sasl wants "sasl"');
    expect(redact('or leave out "sasl" (?auth=sasl). It was tried')).toBe(
      'or leave out "sasl" (?auth=sasl). It was tried',
    );
    expect(redact("zookeeper://h?auth=saslx&auth=digest&key=word")).toBe("zookeeper://h?auth=***&auth=digest&key=***");
  });

  test("other URLs are masked, other text is left alone", () => {
    const redact = redactorFor("sqlite:./jobs.db");
    expect(redact("see postgres://a:b@c/d and ann@example.org")).toBe("see postgres://***:***@c/d and ann@example.org");
  });
});

test("what others said: of errors of a backend, down to the last cause", () => {
  const raw = new Error("ERR of a server", { cause: Object.assign(new Error("of a socket"), { code: "EPIPE" }) });
  const known = new JobferryError("ACCESS_DENIED", "ours", { cause: raw });
  expect(saidByOthers(known)).toEqual(["ERR of a server", "of a socket", "EPIPE"]);
  expect(saidByOthers(new JobferryError("UNAVAILABLE", "ours", { cause: known }))).toHaveLength(3);
  expect(saidByOthers(new JobferryError("UNEXPECTED", "as it came", { cause: raw }))).toBeUndefined();
  expect(saidByOthers(new JobferryError("MODULE_INVALID", "with a text of the module"))).toBeUndefined();
  expect(saidByOthers(raw)).toBeUndefined();
});

async function linesOf(...chunks: readonly (string | Uint8Array)[]): Promise<readonly string[]> {
  const found: Line[] = [];
  async function* source(): AsyncGenerator<Uint8Array> {
    for (const chunk of chunks) yield await Promise.resolve(Buffer.from(chunk));
  }
  for await (const lines of readLines(source())) found.push(...lines);
  return found.map(({ number, bytes }) => `${number}:${Buffer.from(bytes).toString()}`);
}

describe("readLines", () => {
  test("lines over chunk borders, CRLF, empty ones, a last one without end", async () => {
    expect(await linesOf("a", "b\r", "\nc\n\n", "d")).toEqual(["1:ab", "2:c", "3:", "4:d"]);
    expect(await linesOf("a\n")).toEqual(["1:a"]);
    expect(await linesOf()).toEqual([]);
  });

  test("a character cut by a chunk border is whole again", async () => {
    const bytes = Buffer.from("任\n");
    expect(await linesOf(bytes.subarray(0, 1), bytes.subarray(1))).toEqual(["1:任"]);
  });

  test("a line above the limit ends it with its number, before it is read to its end", async () => {
    const chunk = new Uint8Array(1024 * 1024).fill(0x61);
    let read = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield await Promise.resolve(Buffer.from("x\n"));
      for (;;) {
        read += chunk.length;
        yield chunk;
      }
    }
    const reading = (async () => {
      for await (const _ of readLines(endless()));
    })();
    await expect(reading).rejects.toMatchObject({ code: "INPUT_INVALID", message: expect.stringContaining("Line 2 ") });
    expect(read).toBeLessThanOrEqual(MAX_LINE_BYTES + chunk.length);
  });
});

describe("jobOfLine", () => {
  const job = (text: string | Uint8Array, defaults = {}) =>
    jobOfLine({ number: 7, bytes: Buffer.from(text) }, defaults, 1_000);

  test("fields of the line win over the defaults; times and durations", () => {
    const made = job('{"payload":{"a":1},"queue":"q","delay":"2030-01-01T00:00:00Z"}', { queue: "d", priority: 3 });
    expect(made).toMatchObject({ payload: { a: 1 }, queue: "q", priority: 3 });
    expect(made?.availableAt).toBe(Date.parse("2030-01-01T00:00:00Z"));
    expect(job('{"payload":1,"delay":"5m"}')?.delay).toBe(300_000);
    expect(job("  ")).toBeUndefined();
    expect(jobOfLine({ number: 1, bytes: Buffer.from('\uFEFF{"payload":1}') }, {}, 1_000)?.payload).toBe(1);
  });

  test.for([
    ["{bad", "not JSON"],
    ["[1]", 'with "payload"'],
    ['{"name":"x"}', 'with "payload"'],
    ['{"payload":1,"prio":2}', '"prio"'],
    ['{"payload":1,"priority":"high"}', "priority"],
    ['{"payload":1,"delay":"soon"}', "delay"],
    ['{"payload":1,"__proto__":{"queue":"x"}}', "__proto__"],
    [`{"payload":"${"x".repeat(1_001)}"}`, "payload has 1001 bytes; at most 1000"],
  ] as const)("%s is refused with its line and field", ([text, named]) => {
    expect(() => job(text)).toThrow(expect.objectContaining({ code: "INPUT_INVALID", details: { line: 7 } }) as Error);
    expect(() => job(text)).toThrow(/^Line 7: /);
    expect(() => job(text)).toThrow(named);
  });

  test("bytes that are no UTF-8", () => {
    expect(() => job(Uint8Array.of(0x22, 0xff, 0x22))).toThrow("Line 7: not UTF-8");
  });
});

describe("queueChoice", () => {
  test.for([
    [["default"], ["default"]],
    [["high,default"], ["high", "default"]],
    [
      ["high", "low"],
      ["high", "low"],
    ],
    [["high:3,default:1"], { high: 3, default: 1 }],
    [["a:1:1"], { "a:1": 1 }],
  ] as const)("%j", ([given, wanted]) => {
    expect(queueChoice(given)).toEqual(wanted);
  });

  test.for([["high:3,default"], ["a:1,a:2"]])("%s is refused", ([given = ""]) => {
    expect(() => queueChoice([given])).toThrow("--queue");
  });
});

test("lengths and times for people", () => {
  expect([0, 999, 1_000, 61_000, 3_600_000, 90_061_000].map(shortLength)).toEqual([
    "0ms",
    "999ms",
    "1s",
    "1m 1s",
    "1h",
    "1d 1h",
  ]);
  expect(relative(5_000, 1_000)).toBe("in 4s");
  expect(relative(1_000, 5_000)).toBe("4s ago");
  expect(relative(undefined, 5_000)).toBe("-");
});
