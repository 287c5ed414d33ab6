import { memoryCopy, memoryReference, sqlite } from "./peers/jobferry.mjs";

/** What is measured on each backend: peers, cases with their sizes, targets as ratios inside one run. */

const memoryPeers = async () => {
  const { asyncPriorityQueue, fastqPromise, pQueue } = await import("./peers/memory.mjs");
  return [{ ...memoryCopy, copies: true }, memoryReference, pQueue, asyncPriorityQueue, fastqPromise];
};

const sqlitePeers = async () => {
  const { plainjob, rawLoop } = await import("./peers/sqlite.mjs");
  return [sqlite, plainjob, rawLoop];
};

const rabbitmqPeers = async () => {
  const { ours: jobferry, rawClient } = await import("./peers/rabbitmq.mjs");
  return [jobferry, rawClient];
};

const rabbitmqPlan = (server) => ({
  peers: rabbitmqPeers,
  server,
  repeats: 3,
  cases: {
    single: { run: "single", count: 1_000 },
    bulk: { run: "bulk", count: 20_000 },
    "cycle.c10": { run: "cycle", count: 20_000, concurrency: 10 },
    "cycle.c100": { run: "cycle", count: 20_000, concurrency: 100 },
    "process.c10": { run: "process", count: 20_000, concurrency: 10 },
    "process.c100": { run: "process", count: 20_000, concurrency: 100 },
    latency: { run: "latency", count: 200, unit: "ms" },
  },
  targets: ["single", "bulk", "cycle.c10", "cycle.c100"].map((name) => ({
    case: name,
    peer: "jobferry",
    than: "raw amqplib",
    want: 0.8,
  })),
});

const ours = (name) => name.startsWith("jobferry");
const processCases = (count) =>
  Object.fromEntries([1, 10, 100].map((c) => [`process.c${c}`, { run: "process", count: count(c), concurrency: c }]));

export const plan = {
  memory: {
    peers: memoryPeers,
    repeats: 5,
    cases: {
      single: { run: "single", count: 100_000 },
      bulk: { run: "bulk", count: 200_000 },
      ...processCases(() => 200_000),
      latency: { run: "latency", count: 500, unit: "ms" },
      heap: { run: "heap", count: 200_000, unit: "B" },
      "backlog.1k": { run: "backlog", waiting: 1_000, take: 200_000, concurrency: 100, only: ours },
      "backlog.1M": { run: "backlog", waiting: 1_000_000, take: 200_000, concurrency: 100, only: ours, repeats: 3 },
    },
    targets: [
      ...["process.c10", "process.c100"].flatMap((name) => [
        { case: name, peer: "jobferry", than: "p-queue", want: 1.5 },
        { case: name, peer: "jobferry", than: "async.priorityQueue", want: 1.2 },
        { case: name, peer: "jobferry copy:false", than: "p-queue", want: 4 },
        { case: name, peer: "jobferry copy:false", than: "async.priorityQueue", want: 4 },
      ]),
      { case: "latency", peer: "jobferry", below: 0.05, unit: "ms p50" },
      { case: "heap", peer: "jobferry", below: 300, unit: "B" },
      { case: "backlog.1k", peer: "jobferry", overCase: "backlog.1M", below: 1.2, unit: "x" },
    ],
  },
  sqlite: {
    peers: sqlitePeers,
    repeats: 3,
    cases: {
      single: { run: "single", count: 20_000 },
      bulk: { run: "bulk", count: 100_000 },
      "process.c1": { run: "process", count: 20_000, concurrency: 1 },
      "process.c10": { run: "process", count: 50_000, concurrency: 10, counts: { plainjob: 10_000 } },
      "process.c100": { run: "process", count: 100_000, concurrency: 100, counts: { plainjob: 10_000 } },
      latency: { run: "latency", count: 500, unit: "ms", only: (name) => name !== "raw SQL loop" },
      loopDelay: { run: "loopDelay", count: 100_000, concurrency: 100, unit: "ms p99", only: ours },
      "backlog.1k": { run: "backlog", waiting: 1_000, take: 20_000, concurrency: 100, only: ours },
      "backlog.1M": { run: "backlog", waiting: 1_000_000, take: 20_000, concurrency: 100, only: ours },
    },
    targets: [
      { case: "process.c10", peer: "jobferry", than: "plainjob", want: 5 },
      { case: "process.c100", peer: "jobferry", than: "plainjob", want: 10 },
      { case: "single", peer: "jobferry", than: "plainjob", want: 1.1 },
      { case: "bulk", peer: "jobferry", than: "plainjob", want: 1 },
      { case: "loopDelay", peer: "jobferry", below: 5, unit: "ms p99" },
      { case: "backlog.1k", peer: "jobferry", overCase: "backlog.1M", below: 1.2, unit: "x" },
    ],
  },
  rabbitmq: rabbitmqPlan("rabbitmq"),
  "rabbitmq-4": rabbitmqPlan("rabbitmq-4"),
};
