import { beforeEach, describe, expect, it } from "vitest";
import type { StoredJob } from "../../../src/contract/index.ts";
import { JobferryError } from "../../../src/errors/index.ts";
import { virtualClock, type VirtualClock } from "../../../src/testing/virtual-clock.ts";
import type { Attempt } from "../../../src/worker/attempt.ts";
import type { ChannelListener } from "../../../src/worker/pool/channel.ts";
import { ChildExecutor } from "../../../src/worker/pool/child-executor.ts";
import type { FromChild, ToChild } from "../../../src/worker/pool/messages.ts";

/** A child that does what the test says. */
class FakeChild {
  readonly got: ToChild[] = [];
  killed = false;
  readonly #listener: ChannelListener;

  constructor(listener: ChannelListener) {
    this.#listener = listener;
  }
  say(...notes: FromChild[]): void {
    this.#listener.received(notes);
  }
  loads(names?: readonly string[]): void {
    this.say({ kind: "loaded", names });
  }
  ends(how = "exit code 1"): void {
    this.#listener.ended(how);
  }
  get ran(): readonly string[] {
    return this.got.flatMap((note) => (note.kind === "run" ? [note.job.id] : []));
  }
}

let clock: VirtualClock;
let children: FakeChild[];
let told: string[];
let errors: unknown[];
let executor: ChildExecutor;

function makeExecutor(workers: number, concurrency: number): ChildExecutor {
  return new ChildExecutor(workers, {
    open: (_execArgv, listener) => {
      const child = new FakeChild(listener);
      children.push(child);
      return {
        name: `child ${children.length}`,
        send: (notes) => void child.got.push(...notes),
        kill: () => (child.killed = true),
      };
    },
    module: new URL("file:///handlers.ts"),
    execArgv: undefined,
    concurrency,
    clock,
  });
}

async function started(workers: number, concurrency: number): Promise<void> {
  executor = makeExecutor(workers, concurrency);
  const starting = executor.start({
    returned: ({ job }, value) => told.push(`${job.id} returned ${String(value)}`),
    threw: ({ job }, error) => told.push(`${job.id} threw ${String(error)}`),
    died: ({ job }, error) => told.push(`${job.id} died: ${error.message}`),
    roomier: () => told.push("roomier"),
    error: (error) => errors.push(error),
  });
  for (const child of children) child.loads();
  await starting;
}

function attempt(id: string, losses = 0): Attempt {
  const job = { id, losses, name: "any", queue: "q", envelope: new Uint8Array(2), payload: new Uint8Array(0) };
  return { job, lease: { reservation: { job: job as unknown as StoredJob, token: 1 } } } as unknown as Attempt;
}

/** What the runner does with what it holds: the first that is accepted, until none is. Resolves when it was sent. */
async function offer(...waiting: Attempt[]): Promise<readonly string[]> {
  let found: Attempt | undefined;
  while ((found = waiting.find((one) => executor.accepts(one))) !== undefined) {
    waiting.splice(waiting.indexOf(found), 1);
    executor.execute(found);
  }
  await Promise.resolve();
  return waiting.map(({ job }) => job.id);
}

beforeEach(() => {
  clock = virtualClock();
  [children, told, errors] = [[], [], []];
});

describe("places", () => {
  it("fills the roomiest child first and takes no more than there are slots", async () => {
    await started(2, 2);
    expect(executor.room).toBe(4);
    expect(await offer(...["a", "b", "c", "d", "e"].map((id) => attempt(id)))).toEqual(["e"]);
    expect(children.map(({ ran }) => ran)).toEqual([
      ["a", "c"],
      ["b", "d"],
    ]);
    expect([executor.room, executor.activeWorkers]).toEqual([0, 2]);
    children[1]?.say({ kind: "returned", n: 1, value: 7 });
    expect(told).toEqual(["b returned 7"]);
    expect(await offer(attempt("e"))).toEqual([]);
    expect(children[1]?.ran).toEqual(["b", "d", "e"]);
  });

  it("a result that comes twice, or for nobody, is told once", async () => {
    await started(1, 1);
    await offer(attempt("a"));
    for (const n of [1, 1, 9]) children[0]?.say({ kind: "returned", n, value: n });
    expect(told).toEqual(["a returned 1"]);
  });

  it("a job that lost two leases runs alone, and comes to its turn under load", async () => {
    await started(2, 2);
    await offer(...["a", "b", "c"].map((id) => attempt(id))); // [a, c] and [b]
    const suspect = attempt("suspect", 2);
    // The child with the least to do takes nothing more until it is idle.
    expect(await offer(suspect, attempt("d"))).toEqual(["suspect", "d"]);
    children[1]?.say({ kind: "returned", n: 1, value: 0 });
    expect(await offer(suspect, attempt("d"))).toEqual(["d"]); // nothing beside it
    expect(children[1]?.ran).toEqual(["b", "suspect"]);
    children[1]?.say({ kind: "returned", n: 2, value: 0 });
    expect(await offer(attempt("d"), attempt("e"))).toEqual([]);
    expect(children[1]?.ran).toEqual(["b", "suspect", "d", "e"]);
  });

  it("a child that was emptied for a job that went elsewhere takes others again", async () => {
    await started(1, 2);
    await offer(attempt("a"));
    expect(await offer(attempt("suspect", 2))).toEqual(["suspect"]);
    expect(executor.room).toBe(0);
    children[0]?.say({ kind: "returned", n: 1, value: 0 });
    expect(await offer(attempt("b"), attempt("c"))).toEqual([]);
  });

  it("a job with one loss still runs beside others", async () => {
    await started(1, 2);
    expect(await offer(attempt("a", 1), attempt("b"))).toEqual([]);
  });
});

describe("deaths", () => {
  it("tell their attempts at once, take room away and give it back", async () => {
    await started(2, 2);
    await offer(attempt("a"), attempt("b"), attempt("c"));
    children[0]?.ends("signal SIGKILL");
    expect(told).toEqual(
      ["a", "c"].map((id) => `${id} died: The child child 1 that ran the job died (signal SIGKILL).`),
    );
    expect(executor.room).toBe(1);
    await clock.advance(0);
    expect(children).toHaveLength(3);
    expect(executor.room).toBe(1);
    children[2]?.loads();
    expect(told.at(-1)).toBe("roomier");
    expect(executor.room).toBe(3);
  });

  it("that follow each other are slowed down, at most to 30 s, and forgotten after 10 s of health", async () => {
    await started(1, 1);
    const waits: number[] = [];
    for (let death = 1; death <= 12; death += 1) {
      const diedAt = clock.monotonic();
      const count = children.length;
      children.at(-1)?.ends();
      while (children.length === count) await clock.advance(5);
      waits.push(clock.monotonic() - diedAt);
      children.at(-1)?.loads();
    }
    expect(waits[0]).toBeLessThanOrEqual(5);
    for (const [i, wait] of waits.slice(1).entries()) {
      const full = Math.min(100 * 2 ** i, 30_000);
      expect(wait).toBeGreaterThanOrEqual(full / 2);
      expect(wait).toBeLessThanOrEqual(full + 5);
    }
    expect(errors).toHaveLength(12);
    expect(errors[11]).toMatchObject({ code: "WORKER_DIED" });
    expect(String(errors[11])).toMatch(/That is death 12 in a row. Another one starts in \d+ ms/);
    await clock.advance("11s");
    children.at(-1)?.ends();
    expect(String(errors[12])).toMatch(/while it ran 0 jobs, which the pool hands back. Another one starts at once./);
  });

  it("by the pool's own hand are replaced at once, and reported by the job alone", async () => {
    await started(1, 2);
    const [stuck, other] = [attempt("stuck"), attempt("other")];
    await offer(stuck, other);
    for (let round = 0; round < 5; round += 1) {
      expect(executor.kill(stuck)).toBe(true);
      expect(executor.room).toBe(0);
      expect(children.at(-1)?.killed).toBe(true);
      children.at(-1)?.ends("signal SIGKILL");
      await clock.advance(0);
      children.at(-1)?.loads();
      await offer(stuck, other);
    }
    expect(errors).toEqual([]);
    expect(children).toHaveLength(6);
    expect(told[1]).toContain("other died: The child child 1 that ran the job was killed, because job stuck");
  });
});

describe("starting and stopping", () => {
  it("a module that never loads fails the start after a minute", async () => {
    executor = makeExecutor(1, 1);
    const starting = executor.start(undefined as never);
    const failure = starting.catch((error: unknown) => String(error));
    await clock.advance("60s");
    expect(children[0]?.killed).toBe(true);
    children[0]?.ends("signal SIGKILL");
    expect(await failure).toContain("It was not loaded within 60 s.");
  });

  it("a stop while it starts ends the children and lets the start resolve", async () => {
    executor = makeExecutor(2, 1);
    const starting = executor.start(undefined as never);
    const stopping = executor.stop();
    children[0]?.loads(); // too late
    for (const child of children) {
      expect(child.got.at(-1)).toEqual({ kind: "end" });
      child.ends("exit code 0");
    }
    await Promise.all([starting, stopping]);
    expect(executor.room).toBe(0);
    expect(clock.armed).toBe(0);
  });

  it("a child that does not end is killed, and none comes after it", async () => {
    await started(1, 1);
    const stopping = executor.stop();
    await clock.advance("2s");
    expect(children[0]?.killed).toBe(true);
    children[0]?.ends("signal SIGKILL");
    await stopping;
    await clock.advance("1m");
    expect(children).toHaveLength(1);
    expect(errors).toEqual([]);
  });

  it("a stop while a dead child waits for its replacement starts none", async () => {
    await started(1, 1);
    children[0]?.ends();
    await clock.advance(0);
    children[1]?.ends();
    await executor.stop();
    await clock.advance("1m");
    expect(children).toHaveLength(2);
  });

  it("tells a child that an attempt was aborted, and only as long as it runs", async () => {
    await started(1, 1);
    const one = attempt("a");
    await offer(one);
    const { onAbort } = one;
    onAbort?.(new JobferryError("TIMEOUT", "too long"));
    await Promise.resolve();
    expect(children[0]?.got.at(-1)).toMatchObject({ kind: "abort", n: 1, reason: { code: "TIMEOUT" } });
    children[0]?.say({ kind: "returned", n: 1, value: 0 });
    expect(one.onAbort).toBeUndefined();
  });
});
