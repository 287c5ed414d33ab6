import { expect, test } from "vitest";
import { stage } from "./stage.ts";
import { storm } from "./storm.ts";

const SEEDS = Array.from({ length: 12 }, (_, index) => index + 1);

for (const seed of SEEDS)
  test(`nothing is lost, done twice or held twice in a storm (seed ${seed})`, async () => {
    expect(await storm(stage(), seed, 60)).toEqual([]);
  });
