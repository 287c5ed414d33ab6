import type { Durability } from "../../contract/index.ts";

/** So many servers survive the loss of one. */
const QUORUM = 3;

/** What a confirmed write survives where a majority of so many servers has it on disk. */
export const durabilityOf = (voters: number): Durability => (voters < QUORUM ? "power" : "quorum");
