import { afterAll, beforeAll } from "vitest";
import type { CoordinationStore } from "../../../src/contract/index.ts";
import { systemClock } from "../../../src/runtime/index.ts";

/** One write to a store, by a client of its own beside the nodes: how fast the store is at this moment. */
export function paceOf(store: CoordinationStore): () => Promise<unknown> {
  beforeAll(() => store.open({ clock: systemClock }));
  afterAll(() => store.close());
  return () => store.transact([], [{ put: "pace/of/writes", value: new Uint8Array() }]);
}
