import type {
  Clock,
  Driver,
  FinishItem,
  FinishResult,
  ReserveRequest,
  ReserveResult,
} from "../../src/contract/index.ts";
import { clockDifference } from "../../src/runtime/index.ts";
import { type Entry, type LogWriter, machineMs } from "./log.ts";

/** Writes down leases and their ends, and changes nothing: every call and every answer passes as it is. */
export function loggingDriver(inner: Driver, log: LogWriter, clock: Clock): Driver {
  // The driver counts by the clock's own start, the logs by the machine's.
  const ahead = clockDifference(machineMs, () => clock.monotonic());
  let claims = 0;
  return {
    name: inner.name,
    keeps: inner.keeps,
    records: inner.records,
    coordination: inner.coordination,
    open: (context) => inner.open(context),
    close: () => inner.close(),
    classify: (error) => inner.classify(error),
    push: (jobs, options) => inner.push(jobs, options),
    maintain: (options) => inner.maintain(options),
    queues: () => inner.queues(),
    stats: (queue) => inner.stats(queue),
    clear: (queue) => inner.clear(queue),
    pause: (queue) => inner.pause(queue),
    resume: (queue) => inner.resume(queue),

    async reserve(request: ReserveRequest): Promise<ReserveResult> {
      const claim = (claims += 1);
      log.write({ type: "claiming", claim, max: request.max });
      const sentAt = machineMs();
      const result = await inner.reserve(request).catch((error: unknown) => {
        log.write({ type: "claimFailed", claim });
        throw error;
      });
      const claimedAt = result.claimedAt === undefined ? sentAt : result.claimedAt + ahead;
      const starts = result.reservations.map(({ job, token }): Entry => {
        const { id, attempts, losses } = job;
        return { type: "start", id, token, leaseMs: request.leaseMs, claimedAt, attempts, losses };
      });
      log.write(...starts, { type: "claimed", claim });
      return result;
    },

    async finish(items: readonly FinishItem[]): Promise<readonly FinishResult[]> {
      log.write(...items.map((item): Entry => ({ type: "finishing", ...endOf(item), delayMs: delayOf(item) })));
      const results = await inner.finish(items);
      log.write(...items.map((item, i) => answerTo(item, results[i] ?? "unknown")));
      return results;
    },

    async extend(items) {
      const sentAt = machineMs();
      const results = await inner.extend(items);
      const extended = items.flatMap(({ reservation: { job, token }, leaseMs }, i): readonly Entry[] =>
        results[i] === "ok" ? [{ type: "extended", id: job.id, token, sentAt, leaseMs }] : [],
      );
      log.write(...extended);
      return results;
    },
  };
}

function endOf({ reservation: { job, token }, outcome: end }: FinishItem) {
  return { id: job.id, token, end };
}

function delayOf(item: FinishItem): number {
  return item.outcome === "release" ? item.delayMs : 0;
}

function answerTo(item: FinishItem, result: FinishResult): Entry {
  return result === "lost" ? { type: "refused", ...endOf(item) } : { type: "finish", ...endOf(item), result };
}
