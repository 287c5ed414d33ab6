import { AssertionError } from "node:assert";
import { expect, test } from "vitest";
import { coordinationSuite } from "../../../src/testing/conformance/coordination/index.ts";
import type { CoordinationCase, CoordinationTarget } from "../../../src/testing/conformance/coordination/index.ts";
import { brokenStores } from "./broken-stores.ts";
import { memoryTarget } from "./targets.ts";

function caseNamed(name: string, target: CoordinationTarget): CoordinationCase {
  const found = coordinationSuite(target).find((candidate) => `${candidate.group}: ${candidate.name}` === name);
  if (found === undefined) throw new Error(`the suite has no case "${name}"`);
  return found;
}

const failureOf = async (run: () => Promise<void>): Promise<unknown> =>
  run().then(
    () => undefined,
    (error: unknown) => error,
  );

for (const { breaks, caughtBy, wrap } of brokenStores) {
  test(`a store that breaks "${breaks}" is caught by ${caughtBy}`, async () => {
    const failure = await failureOf(caseNamed(caughtBy, { ...memoryTarget(wrap), hungAfterMs: 50 }).run);
    // Anything else would be a fault of the wrapper, caught by chance.
    expect(failure, String(failure)).toBeInstanceOf(AssertionError);
    expect(await failureOf(caseNamed(caughtBy, memoryTarget()).run), "the store that works passes").toBeUndefined();
  });
}
