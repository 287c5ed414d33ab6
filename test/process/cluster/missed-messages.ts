import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { Fleet } from "./fleet.ts";
import type { Place } from "./place.ts";

const KEEP_MS = 1_000;

/** `a` speaks. While `b` sleeps what it says goes, as for `c`, which comes back with its cursor only then. */
export async function missesMessages(placeIn: (folder: string) => Place, ttl: number): Promise<void> {
  const fleet = new Fleet(ttl, placeIn);
  const heard = (nodeId: string): readonly unknown[] => fleet.of(nodeId, "heard").map(({ data }) => data);
  const hears = (nodeId: string, data: number): Promise<void> =>
    fleet.until(() => heard(nodeId).includes(data), 10_000, `${nodeId} hears ${data}`);
  const comes = async (nodeId: string, from?: string): Promise<void> => {
    await fleet.start(nodeId, "hears", { keepMs: KEEP_MS, ...(from === undefined ? {} : { from }) });
    await fleet.until(() => fleet.of(nodeId, "listens").length > 0, 10_000, `${nodeId} listens`);
  };
  const says = async (data: number): Promise<string> => {
    fleet.ask("a", { broadcast: data });
    await hears("a", data);
    return fleet.of("a", "heard").at(-1)?.number ?? "";
  };
  await comes("a");
  await comes("b");
  const before = await says(0);
  await hears("b", 0);
  await fleet.freeze("b");
  const numbers = [await says(1), await says(2)] as const;
  await isGone(fleet, numbers[0]);
  await comes("c", before);
  fleet.signal("b", "SIGCONT");
  const isTold = (nodeId: string): boolean => numbers.every((number) => tells(fleet, nodeId, number));
  await fleet.until(() => isTold("b"), 20_000, "b hears what it missed, or that it did");
  await fleet.until(() => isTold("c"), 20_000, "c is told that it missed something");
  expect(fleet.of("c", "gap")).toMatchObject([{ after: before, upTo: numbers[1] }]);
  await says(3);
  await hears("b", 3);
  await hears("c", 3);
  expect(heard("c")).toEqual([3]);
  expect(fleet.of("a", "gap"), "of who was there all the time").toEqual([]);
}

/** Heard, for it was on its way already when the node fell asleep, or told to be missed. */
function tells(fleet: Fleet, nodeId: string, number: string): boolean {
  const missed = fleet.of(nodeId, "gap").some(({ after = "0", upTo = "0" }) => {
    return BigInt(after) < BigInt(number) && BigInt(number) <= BigInt(upTo);
  });
  return missed || fleet.of(nodeId, "heard").some((message) => message.number === number);
}

/** Asks until there is a gap where the message behind that one was. */
async function isGone(fleet: Fleet, number: string): Promise<void> {
  for (let asked = 1; fleet.of("a", "behind").at(-1)?.found !== "gap"; asked += 1) {
    if (asked > 400) throw new Error("what was sent is still kept");
    await sleep(50);
    fleet.ask("a", { behind: number });
    await fleet.until(() => fleet.of("a", "behind").length === asked, 10_000, "a looks for an old message");
  }
}
