// Nodes in processes of their own on one SQLite file: killed, stopped and asked to leave.
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { Fleet, now } from "./fleet.ts";

const TTL = 1_000;

async function threeNodes(): Promise<Readonly<{ fleet: Fleet; leader: string; term: bigint }>> {
  const fleet = new Fleet(TTL);
  for (const nodeId of ["a", "b", "c"]) await fleet.start(nodeId, "leads");
  await fleet.until(() => fleet.of("a", "elected").length > 0, 5_000, "the first node leads");
  return { fleet, leader: "a", term: BigInt(fleet.of("a", "elected")[0]?.term ?? "0") };
}

/** What the register took, in its order. */
function acceptedTokens(path: string): readonly number[] {
  const database = new DatabaseSync(`${path}.register`);
  const rows = database.prepare("SELECT token FROM log ORDER BY n").all() as { token: number }[];
  database.close();
  return rows.map(({ token }) => token);
}

function expectRising(tokens: readonly number[]): void {
  expect(tokens.length).toBeGreaterThan(0);
  expect(tokens).toEqual(tokens.toSorted((a, b) => a - b));
}

test("SIGKILL of the leader: a new one within 1.5 times the time-out, with a higher term", async () => {
  const { fleet, leader, term } = await threeNodes();
  const killed = now();
  fleet.signal(leader, "SIGKILL");
  const next = await fleet.first("elected", killed, leader, TTL * 3);
  console.log(`new leader after SIGKILL: ${(next.at - killed).toFixed(0)} ms of a time-out of ${TTL} ms`);
  expect(next.at - killed).toBeLessThan(TTL * 1.5);
  expect(BigInt(next.term ?? "0")).toBeGreaterThan(term);
  expectRising(acceptedTokens(fleet.path));
});

test("SIGSTOP of the leader: a new one in time; the old one wakes up deposed and nothing of it is accepted any more", async () => {
  const { fleet, leader, term } = await threeNodes();
  await fleet.until(() => fleet.of(leader, "wrote").length > 3, 5_000, "the leader writes");
  const stopped = now();
  fleet.ask(leader, "freeze");
  const next = await fleet.first("elected", stopped, leader, TTL * 3);
  console.log(`new leader after SIGSTOP: ${(next.at - stopped).toFixed(0)} ms of a time-out of ${TTL} ms`);
  expect(next.at - stopped).toBeLessThan(TTL * 1.5);
  expect(BigInt(next.term ?? "0")).toBeGreaterThan(term);
  await fleet.until(
    () => fleet.of(next.nodeId, "wrote").some(({ accepted }) => accepted),
    5_000,
    "the new leader writes",
  );
  const woken = now();
  fleet.signal(leader, "SIGCONT");
  const after = (kind: string): readonly { accepted?: boolean; believed?: boolean }[] =>
    fleet.of(leader, kind).filter(({ at }) => at >= woken);
  await fleet.until(() => after("wrote").length >= 3 && after("deposed").length > 0, 5_000, "the old leader wakes up");
  // It tried with its old term. It did not believe any more that it leads, and the register did not take it.
  expect(after("wrote").filter(({ accepted }) => accepted)).toEqual([]);
  expect(after("wrote").filter(({ believed }) => believed)).toEqual([]);
  await fleet.until(() => fleet.of(leader, "rejoined").length > 0, 5_000, "the old leader joins again");
  expectRising(acceptedTokens(fleet.path));
});

test("a graceful stop hands over within 100 ms", async () => {
  const times: number[] = [];
  const { fleet } = await threeNodes();
  let leader = "a";
  for (const next of ["d", "e", "f"]) {
    await fleet.start(next, "leads");
    fleet.ask(leader, "stop");
    const elected = await fleet.first("elected", fleet.told.at(-1)?.at ?? now(), leader, TTL);
    const left = fleet.of(leader, "stopping")[0]?.at ?? 0;
    times.push(elected.at - left);
    leader = elected.nodeId;
  }
  console.log(`hand-over after a graceful stop: ${times.map((ms) => ms.toFixed(1)).join(", ")} ms`);
  for (const ms of times) expect(ms).toBeLessThan(100);
  expectRising(acceptedTokens(fleet.path));
});

test("a lock among processes that are killed and stopped at random: never two whose writes are both accepted", async () => {
  const fleet = new Fleet(500);
  const nodes = ["a", "b", "c", "d"];
  for (const nodeId of nodes) await fleet.start(nodeId, "locks");
  const holder = (): string => fleet.told.findLast(({ kind }) => kind === "locked")?.nodeId ?? "a";
  await fleet.until(
    () => fleet.told.filter(({ kind }) => kind === "locked").length > 20,
    10_000,
    "the lock goes round",
  );
  for (let round = 0; round < 4; round += 1) {
    const victim = holder();
    fleet.ask(victim, "freeze");
    const stopped = now();
    await fleet.first("locked", stopped + 1, victim, 2_000);
    fleet.signal(victim, "SIGCONT");
    await fleet.until(
      () => fleet.of(victim, "wrote").some(({ at }) => at > stopped + 500),
      5_000,
      "it is back in the round",
    );
  }
  const killed = holder();
  fleet.signal(killed, "SIGKILL");
  const after = now();
  await fleet.first("locked", after + 1, killed, 2_000);
  const accepted = fleet.told.filter(({ kind, accepted: taken }) => kind === "wrote" && taken);
  expect(new Set(accepted.map(({ nodeId }) => nodeId)).size).toBe(4);
  expectRising(acceptedTokens(fleet.path));
  const tokens = fleet.told.filter(({ kind }) => kind === "locked").map(({ token }) => token);
  expect(new Set(tokens).size, "no token is given twice").toBe(tokens.length);
});
