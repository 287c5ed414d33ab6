import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { makePayload, makePayloads } from "./peers/payloads.mjs";
import { startProcesses } from "./processes.mjs";
import { serverCpuUs } from "./server-cpu.mjs";

/** Each case returns one figure and what belongs to it, after it has checked that every job ran exactly once and nothing is left. */

/** Process ids of the server that the run has started for all peers of a backend. */
const sharedServer = globalThis.process.env.JOBFERRY_BENCH_SERVER_PIDS?.split(",").map(Number);

async function withQueue(peer, work) {
  const folder = mkdtempSync(join(tmpdir(), "jobferry-bench-"));
  const queue = await peer.open({ folder });
  try {
    await queue.queue?.open();
    // What our driver found must be what the table says of all peers on this server.
    const found = queue.queue?.capabilities.durability ?? peer.durability;
    if (found !== peer.durability) throw new Error(`The durability is ${found}, not ${peer.durability}.`);
    return await work(queue);
  } finally {
    await queue.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** CPU of this process and of the server from now on, microseconds a job. */
function metering(queue) {
  const pids = queue.serverPids ?? sharedServer;
  const server = serverCpuUs(pids);
  const own = globalThis.process.cpuUsage();
  return (jobs) => {
    const { user, system } = globalThis.process.cpuUsage(own);
    const served = server === undefined ? undefined : (serverCpuUs(pids) - server) / jobs;
    return { cpuPerJobUs: (user + system) / jobs, serverCpuPerJobUs: served };
  };
}

/** A handler that counts, and fails the benchmark when a job runs twice. */
function counting(total) {
  const seen = new Uint8Array(total);
  let runs = 0;
  let ends = 0;
  let most = 0;
  return {
    handler: ({ i }) => {
      runs += 1;
      seen[i] += 1;
      if (runs - ends > most) most = runs - ends;
    },
    /** So many ends more are confirmed by the store. */
    confirmed(jobs) {
      ends += jobs;
    },
    /** `mostUnconfirmed`: most jobs that had run while their ends were not confirmed; undefined for a peer that does not tell. */
    told: () => ({ handlersRun: runs, mostUnconfirmed: ends === 0 ? undefined : most }),
    async check(queue, ran = total) {
      const once = seen.filter((times) => times === 1).length;
      if (runs !== ran || once !== ran)
        throw new Error(`expected ${ran} jobs once each: ${runs} runs, ${once} jobs ran exactly once`);
      const left = await queue.left();
      if (left !== total - ran) throw new Error(`expected ${total - ran} jobs left, found ${left}`);
    },
  };
}

/** Runs all jobs. Returns when the last one was confirmed. */
async function drain(queue, { concurrency, counted, total }) {
  const { handler, confirmed } = counted;
  // A peer whose workers take time to stop tells when its last job was confirmed.
  if (queue.process !== undefined)
    return (await queue.process({ concurrency, handler, confirmed, total })) ?? performance.now();
  const { promise, resolve } = Promise.withResolvers();
  let ends = 0;
  const stop = await queue.work({
    concurrency,
    handler,
    confirmed(jobs) {
      confirmed(jobs);
      ends += jobs;
      if (ends >= total) resolve(performance.now());
    },
  });
  const ended = await promise;
  await stop();
  return ended;
}

async function load(queue, payloads, priorityOf) {
  for (let at = 0; at < payloads.length; at += 1000) await queue.pushBulk(payloads.slice(at, at + 1000), priorityOf);
}

const perSecond = (count, started, ended = performance.now()) => (count / (ended - started)) * 1000;

/** One by one: the next push begins when the one before is confirmed. */
async function single(peer, { count }) {
  return withQueue(peer, async (queue) => {
    const payloads = makePayloads(count);
    const meter = metering(queue);
    const started = performance.now();
    for (const payload of payloads) {
      const pushed = queue.push(payload);
      if (pushed instanceof Promise) await pushed;
    }
    const rate = perSecond(count, started);
    const cpu = meter(count);
    if ((await queue.left()) !== count) throw new Error("not every push is there");
    return { value: rate, ...cpu };
  });
}

/** So many pushes at once, each followed by another when it is confirmed. */
async function inFlight(peer, { count, concurrency }) {
  return withQueue(peer, async (queue) => {
    const payloads = makePayloads(count);
    let next = 0;
    const producer = async () => {
      while (next < count) {
        next += 1;
        await queue.push(payloads[next - 1]);
      }
    };
    const meter = metering(queue);
    const started = performance.now();
    await Promise.all(Array.from({ length: concurrency }, producer));
    const rate = perSecond(count, started);
    const cpu = meter(count);
    if ((await queue.left()) !== count) throw new Error("not every push is there");
    return { value: rate, ...cpu };
  });
}

async function bulk(peer, { count }) {
  return withQueue(peer, async (queue) => {
    const payloads = makePayloads(count);
    const meter = metering(queue);
    const started = performance.now();
    await load(queue, payloads);
    const rate = perSecond(count, started);
    const cpu = meter(count);
    if ((await queue.left()) !== count) throw new Error("not every push is there");
    return { value: rate, ...cpu };
  });
}

async function process(peer, { count, concurrency }) {
  return withQueue(peer, async (queue) => {
    await load(queue, makePayloads(count));
    const counted = counting(count);
    const meter = metering(queue);
    const started = performance.now();
    const ended = await drain(queue, { concurrency, counted, total: count });
    const cpu = meter(count);
    await counted.check(queue);
    return { value: perSecond(count, started, ended), ...cpu, ...counted.told() };
  });
}

/** The whole life of a job: all pushes confirmed in batches of 1,000, then all run and their ends confirmed. */
async function cycle(peer, { count, concurrency }) {
  return withQueue(peer, async (queue) => {
    const payloads = makePayloads(count);
    const counted = counting(count);
    const meter = metering(queue);
    const started = performance.now();
    await load(queue, payloads);
    const ended = await drain(queue, { concurrency, counted, total: count });
    const cpu = meter(count);
    await counted.check(queue);
    return { value: perSecond(count, started, ended), ...cpu, ...counted.told() };
  });
}

/** So many processes, each with its own connection and worker, on one queue that was filled before. CPU is that of the workers and the server. */
async function processes(peer, { backend, count, workers, concurrency }) {
  return withQueue(peer, async (queue) => {
    await load(queue, makePayloads(count));
    const team = await startProcesses(workers, { backend, peer: peer.name, concurrency, connection: queue.connection });
    const meter = metering(queue);
    const started = performance.timeOrigin + performance.now();
    team.go();
    const ended = await Promise.race([allConfirmed(queue, team, count), team.died]);
    const { serverCpuPerJobUs } = meter(count);
    const { ran, cpuUs, mostUnconfirmed } = await team.stop();
    const counted = counting(count);
    for (const i of ran) counted.handler({ i });
    await counted.check(queue);
    const told = { handlersRun: ran.length, mostUnconfirmed: team.confirmed() === 0 ? undefined : mostUnconfirmed };
    return { value: perSecond(count, started, ended), cpuPerJobUs: cpuUs / count, serverCpuPerJobUs, ...told };
  });
}

/** When the last end was confirmed. Where the workers are not told, it is when the store has nothing left. */
async function allConfirmed(queue, team, count) {
  const pause = () => new Promise((next) => setTimeout(next, 2));
  while (team.confirmed() < count) {
    await pause();
    if (team.confirmed() > 0 || team.runs() < count) continue;
    if ((await queue.left()) === 0) return performance.timeOrigin + performance.now();
  }
  return team.lastConfirmedAt();
}

/** p50 and p99 from the call of push to the start of the handler, on an idle worker, one job every 5 ms. First `warmUp` jobs on the same worker, one a turn of the event loop. */
async function latency(peer, { count, warmUp = 0 }) {
  return withQueue(peer, async (queue) => {
    const times = [];
    let started = 0;
    let ran;
    const stop = await queue.idleWorker(() => {
      times.push(performance.now() - started);
      ran();
    });
    for (let i = -warmUp; i < count; i += 1) {
      const { promise, resolve } = Promise.withResolvers();
      ran = resolve;
      await new Promise((wait) => (i < 0 ? setImmediate(wait) : setTimeout(wait, 5)));
      if (i === 0) times.length = 0;
      started = performance.now();
      const pushed = queue.push(makePayload(i));
      await promise;
      await pushed;
    }
    await stop();
    times.sort((a, b) => a - b);
    return { value: times[Math.floor(count * 0.5)], p99: times[Math.floor(count * 0.99)] };
  });
}

/** Bytes of heap a waiting job costs beyond its payload. */
async function heap(peer, { count }) {
  const payloads = makePayloads(count);
  return withQueue(peer, async (queue) => {
    await load(queue, payloads.slice(0, 1000));
    globalThis.gc();
    const before = globalThis.process.memoryUsage().heapUsed;
    await load(queue, payloads.slice(1000));
    globalThis.gc();
    const grown = globalThis.process.memoryUsage().heapUsed - before;
    const payload = peer.copies ? copySize(payloads.slice(1000)) : 0;
    if ((await queue.left()) !== count) throw new Error("not every push is there");
    return grown / (count - 1000) - payload;
  });
}

/** What a private copy of one payload costs by itself. */
function copySize(payloads) {
  globalThis.gc();
  const before = globalThis.process.memoryUsage().heapUsed;
  const copies = payloads.map(({ i, pad }) => ({ i, pad }));
  globalThis.gc();
  const grown = globalThis.process.memoryUsage().heapUsed - before;
  return grown / copies.length - 8;
}

/** Ten priorities, or as many as there are here. */
function prioritiesOn({ queue }) {
  const { min, max } = queue.capabilities.priority;
  const levels = Math.min(10, max - Math.max(0, min) + 1);
  return levels === 1 ? undefined : ({ i }) => i % levels;
}

/** The rate of the first jobs out of a backlog of ten priorities that is larger or smaller. */
async function backlog(peer, { waiting, take, concurrency }) {
  return withQueue(peer, async (queue) => {
    const priorityOf = prioritiesOn(queue);
    await load(queue, makePayloads(waiting), priorityOf);
    let rate = 0;
    const counted = counting(waiting);
    const rounds = Math.max(1, Math.floor(take / waiting));
    let spent = 0;
    let ran = 0;
    for (let round = 0; round < rounds; round += 1) {
      const count = Math.min(take, waiting);
      if (round > 0) await load(queue, makePayloads(waiting), priorityOf);
      const handler = round === 0 ? counted.handler : () => undefined;
      const started = performance.now();
      await queue.processSome({ concurrency, handler, count });
      spent += performance.now() - started;
      ran += count;
      if (round === 0) await counted.check(queue, count);
    }
    rate = (ran / spent) * 1000;
    return rate;
  });
}

/** The rate of jobs beside a larger or smaller number of delayed ones. */
async function delayed(peer, { waiting, take, concurrency }) {
  return withQueue(peer, async (queue) => {
    for (let at = 0; at < waiting; at += 1_000) await queue.pushLater(makePayloads(1_000), 86_400_000);
    await load(queue, makePayloads(take));
    const counted = counting(take);
    const started = performance.now();
    await queue.processSome({ concurrency, handler: counted.handler, count: take });
    const rate = perSecond(take, started);
    if ((await queue.left()) !== waiting) throw new Error("not every delayed job is there");
    return rate;
  });
}

/** p99 of the event loop's delay in a process that is busy with jobs, milliseconds. */
async function loopDelay(peer, { count, concurrency }) {
  return withQueue(peer, async (queue) => {
    await load(queue, makePayloads(count));
    const counted = counting(count);
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    await drain(queue, { concurrency, counted, total: count });
    delay.disable();
    await counted.check(queue);
    // The histogram's own resolution of 1 ms is part of each sample.
    return { value: Math.max(0, delay.percentile(99) / 1e6 - 1), max: delay.max / 1e6 };
  });
}

export const cases = { single, inFlight, bulk, delayed, process, processes, cycle, latency, heap, backlog, loopDelay };
