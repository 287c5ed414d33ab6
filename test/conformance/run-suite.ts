import { afterAll, describe, test } from "vitest";
import { capabilitiesOf, conformanceSuite } from "../../src/testing/conformance/index.ts";
import type { ConformanceTarget } from "../../src/testing/conformance/index.ts";

/** The suite as vitest tests, on one target. Cases that do not apply are shown as skipped, with the reason. */
export async function runSuite(title: string, target: ConformanceTarget): Promise<void> {
  const capabilities = await capabilitiesOf(target);
  describe(title, () => {
    const cases = conformanceSuite(target);
    let ran = 0;
    for (const { group, name, requires, run } of cases) {
      test(`${group}: ${name}`, async ({ skip }) => {
        const reason = requires?.(capabilities);
        if (reason !== undefined) return skip(reason);
        ran += 1;
        await run();
      });
    }
    afterAll(() => {
      if (ran === 0) throw new Error(`no case of the suite ran on ${title}`);
    });
  });
}
