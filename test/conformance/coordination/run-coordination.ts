import { afterAll, describe, test } from "vitest";
import { coordinationSuite } from "../../../src/testing/conformance/coordination/index.ts";
import type { CoordinationTarget } from "../../../src/testing/conformance/coordination/index.ts";

/** Runs the published suite on a target, one test for each case. */
export async function runCoordination(title: string, target: CoordinationTarget): Promise<void> {
  const { capabilities } = await target.open();
  await target.cleanup?.();
  describe(title, () => {
    let ran = 0;
    for (const { group, name, requires, run } of coordinationSuite(target)) {
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
