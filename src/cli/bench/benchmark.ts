import { createJob, JobferryError, type NewJob, type Queue, Worker } from "../../entry/index.ts";

export type BenchPlan = Readonly<{ name: string; jobs: number; payload: number; concurrency: number; samples: number }>;

export type BenchResult = Readonly<{
  singlePushPerSecond: number;
  bulkPushPerSecond: number;
  /** From the start of the worker to the last confirmed end. */
  processPerSecond: number;
  /** From before the push to the start of the handler, one job at a time on an idle queue. */
  latencyMs: Readonly<{ p50: number; p95: number; p99: number }>;
}>;

const BULK = 1_000;

export async function benchmark(queue: Queue, plan: BenchPlan): Promise<BenchResult> {
  const make = jobMaker(plan);
  await warmUp(queue, plan.name, make);
  const singles = Math.max(1, Math.ceil(plan.jobs / 10));
  const singlePushPerSecond = await pushSingly(queue, make, singles, plan.concurrency);
  const bulkPushPerSecond = await pushInBulk(queue, make, plan.jobs);
  const processPerSecond = await processAll(queue, plan, singles + plan.jobs);
  return { singlePushPerSecond, bulkPushPerSecond, processPerSecond, latencyMs: await latency(queue, plan, make) };
}

/** The first job of a queue pays for what is made once: statements, scripts, and on a broker the queue itself. */
async function warmUp(queue: Queue, name: string, make: () => NewJob): Promise<void> {
  await queue.push(make());
  const job = await queue.pop({ queue: name, wait: "10s" });
  await job?.complete();
}

function jobMaker({ name, payload }: BenchPlan): () => NewJob {
  const text = "x".repeat(payload);
  return () => createJob<unknown>(text, { queue: name });
}

async function pushSingly(queue: Queue, make: () => NewJob, count: number, concurrency: number): Promise<number> {
  let left = count;
  const producer = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await queue.push(make());
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: concurrency }, producer));
  return perSecond(count, start);
}

async function pushInBulk(queue: Queue, make: () => NewJob, count: number): Promise<number> {
  const start = performance.now();
  for (let left = count; left > 0; left -= BULK) {
    await queue.pushBatch(Array.from({ length: Math.min(left, BULK) }, make));
  }
  return perSecond(count, start);
}

async function processAll(queue: Queue, plan: BenchPlan, expected: number): Promise<number> {
  let completed = 0;
  const worker = new Worker(queue, plan.name, () => undefined, { concurrency: plan.concurrency, stopWhenEmpty: true });
  let end = 0;
  worker.on("completed", () => {
    completed += 1;
    end = performance.now();
  });
  const start = performance.now();
  await worker.run();
  if (completed === expected) return perSecond(expected, start, end);
  throw new JobferryError("UNEXPECTED", `${completed} of ${expected} jobs were completed: the measurement is void.`);
}

async function latency(queue: Queue, plan: BenchPlan, make: () => NewJob): Promise<BenchResult["latencyMs"]> {
  let onStart: (at: number) => void = () => undefined;
  const worker = new Worker(queue, plan.name, () => onStart(performance.now()));
  await worker.start();
  const samples: number[] = [];
  try {
    for (let i = 0; i < plan.samples; i += 1) {
      const { promise: started, resolve } = Promise.withResolvers<number>();
      onStart = resolve;
      const pushedAt = performance.now();
      await queue.push(make());
      samples.push((await started) - pushedAt);
    }
  } finally {
    await worker.stop();
  }
  const sorted = samples.toSorted((a, b) => a - b);
  return { p50: percentile(sorted, 0.5), p95: percentile(sorted, 0.95), p99: percentile(sorted, 0.99) };
}

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

function perSecond(count: number, start: number, end: number = performance.now()): number {
  return (count * 1_000) / Math.max(end - start, 0.001);
}
