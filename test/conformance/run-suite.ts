import { afterAll, describe, test } from "vitest";
import { capabilitiesOf, conformanceSuite } from "../../src/testing/conformance/index.ts";
import type { ConformanceTarget } from "../../src/testing/conformance/index.ts";

/** The suite as vitest tests, on one target. Cases that do not apply are shown as skipped, with the reason. */
export async function runSuite(title: string, target: ConformanceTarget): Promise<void> {
  await run(title, test, target, () => target);
}

/** Sessions of real time end in some cases, one after the other. Longer than the suite itself lets a case take, so that it tells which one hung. */
const LONG_MS = 180_000;

/** The same with a target for each case, many cases at once: for servers in whose time most cases only wait. */
export async function runSuiteAtOnce(title: string, makeTarget: () => ConformanceTarget): Promise<void> {
  await run(title, test.concurrent, makeTarget(), makeTarget, LONG_MS);
}

async function run(
  title: string,
  as: typeof test | typeof test.concurrent,
  first: ConformanceTarget,
  targetFor: () => ConformanceTarget,
  timeout?: number,
): Promise<void> {
  const capabilities = await capabilitiesOf(first);
  describe(title, () => {
    let ran = 0;
    for (const [index, { group, name, requires }] of conformanceSuite(first).entries()) {
      as(`${group}: ${name}`, timeout === undefined ? {} : { timeout }, async ({ skip }) => {
        const reason = requires?.(capabilities);
        if (reason !== undefined) return skip(reason);
        ran += 1;
        await conformanceSuite(targetFor())[index]?.run();
      });
    }
    afterAll(() => {
      if (ran === 0) throw new Error(`no case of the suite ran on ${title}`);
    });
  });
}
