// Every invariant of the contract has a driver that breaks it, and a case of the suite that says so.
import { AssertionError } from "node:assert";
import { describe, expect, test } from "vitest";
import type { Driver } from "../../../src/contract/index.ts";
import { memoryDriver } from "../../../src/drivers/memory/memory-driver.ts";
import { capabilitiesOf, conformanceSuite } from "../../../src/testing/conformance/index.ts";
import type { ConformanceCase, ConformanceTarget } from "../../../src/testing/conformance/index.ts";
import { virtualClock } from "../../../src/testing/virtual-clock.ts";
import { kvTarget } from "../drivers/targets.ts";
import type { Base, Broken, Wrapper } from "./breaking.ts";
import { brokenCapabilities } from "./broken-capabilities.ts";
import { brokenFields } from "./broken-fields.ts";
import { brokenKeeping } from "./broken-keeping.ts";
import { brokenLeases } from "./broken-leases.ts";
import { brokenMoves } from "./broken-moves.ts";
import { brokenPushes } from "./broken-pushes.ts";
import { brokenReserves } from "./broken-reserves.ts";

const working: Readonly<Record<Base, () => ConformanceTarget>> = {
  store: () => ({ clock: virtualClock(), stepsWallClock: true, open: () => memoryDriver() }),
  sessions: kvTarget,
};

/** The target with every driver wrapped; what controls the drivers from outside reaches the inner ones. */
function wrapped(target: ConformanceTarget, wrap: Wrapper): ConformanceTarget {
  const inners = new WeakMap<Driver, Driver>();
  const inner = (driver: Driver): Driver => inners.get(driver) ?? driver;
  const outer = async (made: Driver | Promise<Driver>): Promise<Driver> => {
    const driver = await made;
    const shell = wrap(driver);
    inners.set(shell, driver);
    return shell;
  };
  const { open, reopen, crash, loseAnswer } = target;
  return {
    ...target,
    hungAfterMs: 50,
    open: () => outer(open()),
    ...(reopen === undefined ? {} : { reopen: (first) => outer(reopen(inner(first))) }),
    ...(crash === undefined ? {} : { crash: (driver) => crash(inner(driver)) }),
    ...(loseAnswer === undefined ? {} : { loseAnswer: (driver, call) => loseAnswer(inner(driver), call) }),
  };
}

function caseNamed(name: string, target: ConformanceTarget): ConformanceCase {
  const found = conformanceSuite(target).find((candidate) => `${candidate.group}: ${candidate.name}` === name);
  if (found === undefined) throw new Error(`the suite has no case "${name}"`);
  return found;
}

async function failureOf(run: () => Promise<void>): Promise<unknown> {
  return run().then(
    () => undefined,
    (error: unknown) => error,
  );
}

const subjects: Readonly<Record<string, readonly Broken[]>> = {
  fields: brokenFields,
  "tokens, attempts and losses": brokenLeases,
  pushes: brokenPushes,
  "reserving and closing": brokenReserves,
  "order, delays and finishing": brokenMoves,
  capabilities: brokenCapabilities,
  "keeping and counting jobs": brokenKeeping,
};

for (const [subject, list] of Object.entries(subjects)) {
  describe(`a driver that breaks what holds for ${subject} is caught`, () => {
    for (const { breaks, caughtBy, base = "store", wrap } of list) {
      test(`${breaks}, by ${caughtBy}`, async () => {
        const target = wrapped(working[base](), wrap);
        const broken = caseNamed(caughtBy, target);
        expect(
          broken.requires?.(await capabilitiesOf(wrapped(working[base](), wrap))),
          "the case applies",
        ).toBeUndefined();
        const failure = await failureOf(broken.run);
        expect(failure, "the broken driver fails the case").toBeInstanceOf(Error);
        // A fault of the wrapper itself would be caught by chance.
        expect(failure instanceof AssertionError || !(failure instanceof TypeError), String(failure)).toBe(true);
        const unbroken = caseNamed(caughtBy, working[base]());
        if (unbroken.requires?.(await capabilitiesOf(working[base]())) !== undefined) return;
        expect(await failureOf(unbroken.run), "the driver that works passes the case").toBeUndefined();
      });
    }
  });
}
