import fc from "fast-check";
import { expect, test } from "vitest";
import { SettledTags } from "../../../src/drivers/rabbitmq/settled-tags.ts";

test("in any order the line is where the first open tag is, and there are as few runs as can be", () => {
  const tags = fc.shuffledSubarray(Array.from({ length: 40 }, (_, i) => i + 1));
  fc.assert(
    fc.property(tags, (order) => {
      const settled = new SettledTags();
      const all = new Set<number>();
      for (const tag of order) {
        settled.add(tag);
        settled.advance();
        all.add(tag);
        let line = 0;
        while (all.has(line + 1)) line += 1;
        const beyond = [...all].filter((each) => each > line);
        expect(settled.line).toBe(line);
        expect(settled.runs).toBe(beyond.filter((each) => !all.has(each - 1)).length);
      }
    }),
    { numRuns: 300 },
  );
});

test("behind a message that is held for long there is one run, however many were settled since", () => {
  const settled = new SettledTags();
  for (let tag = 2; tag <= 100_000; tag += 1) {
    settled.add(tag);
    settled.advance();
  }
  expect([settled.line, settled.runs]).toEqual([0, 1]);
  settled.add(1);
  settled.advance();
  expect([settled.line, settled.runs]).toEqual([100_000, 0]);
});
