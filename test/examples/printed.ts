/** The lines that each example prints, in order. */
export const printed: Readonly<Record<string, readonly string[]>> = {
  "hello.ts": ["Welcome, bob@example.com!", "Welcome, ada@example.com!"],
  "testing.ts": ["completed after 4 attempts, 21 virtual minutes"],
  "basic-use.ts": ['pushed to "default"', "attempt 1: { text: 'Hello, ferry' }", "0 waiting, 1 done"],
  "delayed-jobs.ts": ["3 delayed", "at once: undefined", "1. in 500 ms", "2. in 600 ms", "3. at a time"],
  "worker.ts": [1, 2, 3, 4].map((n) => `{ number: ${n} } squared is ${n * n}`),
  "batch.ts": ["1000 stored", "100 done, 900 left", "PAYLOAD_INVALID and still 900 left"],
  "job-attributes.ts": [
    "report-7 { report: 7 } { customer: 'acme', format: 'pdf' }",
    "priority 5, attempt 1 of 4",
    "reserved after it was made: true",
    "0 left",
  ],
  "statistics.ts": [
    "pending 1, delayed 1, reserved 1",
    "failed 1, completed 1, total 5",
    "exact: true, paused: false",
    "waiting: 2, queues: pages",
  ],
  "several-queues.ts": [
    "fast: resize",
    "durable: invoice",
    'No queue is registered as "durabel". Did you mean "durable"? Known: fast, durable.',
  ],
  "queue-order.ts": [
    "strict: all of high before the first of low",
    "weights: more of high, and some of low from the start",
  ],
  "email-job.ts": [
    "Urgent to bob@example.com was accepted by example.com",
    "Hello to ada@example.com was accepted by example.com",
  ],
  "error-handling.ts": [
    "attempt 1: card is expired, will retry",
    "attempt 2: card is expired, will retry",
    "attempt 3: card is expired",
    "ALERT charge failed for good: card is expired",
    "attempt 1: card was stolen",
    "ALERT charge failed for good: card was stolen",
  ],
  "transactional-push.ts": ["rolled back: no money", "orders: 1 jobs: 1"],
  "locks.ts": ["one report", "busy, later then", "current holder: stored", "old holder: refused"],
  "leader.ts": [
    ...["node-1 leads, its term is a number: true", "tidying up", "node-1 leads no more: SHUTDOWN"],
    ...["node-2 leads, its term is a number: true", "tidying up", "leader: node-2", "nodes: node-2"],
    "node-2 leads no more: SHUTDOWN",
  ],
  "distributed-node.ts": ["{ page: 1 }", "leads: true, online: 1"],
  "broadcast.ts": ["shop { changed: 7 }", "shop { changed: 8 }"],
  "timeouts.ts": ["slow TIMEOUT"],
  "graceful-shutdown.ts": ["stopped: signal", "reserved 0, nothing lost: true"],
  "pausing.ts": ["paused: undefined", "resumed: letter"],
  "failed-jobs.ts": [
    ...["page-1 is in failed: out of paper", "page-2 is in failed: out of paper", "page-3 is in failed: out of paper"],
    "page-1 out of paper after 1 attempt",
    "page-2 out of paper after 1 attempt",
    "page-3 on the second page",
    "failed PermanentError true",
    "retried: 1",
    "retried: 1",
    "forgotten: 1",
    "completed 2, failed 0",
    "pruned: 0",
  ],
};

/** Jobs that run side by side end in any order. */
export const printedInAnyOrder: Readonly<Record<string, readonly string[]>> = {
  "worker-pool.ts": [
    "{ text: 'a', rounds: 20000 } -> 896cf77e",
    "{ text: 'b', rounds: 20000 } -> 083c16c9",
    "{ text: 'c', rounds: 20000 } -> 869be1fd",
    "{ text: 'd', rounds: 20000 } -> a0c051af",
    "2 workers, 4 processed, 0 failed",
  ],
  "retries.ts": [
    "early, attempt 1: done",
    "flaky, attempt 1: busy, again",
    "flaky, attempt 2: done",
    "limited, attempt 1: The handler asked for another attempt., again",
    "limited, attempt 2: The handler asked for another attempt., again",
    "limited, attempt 3: done",
    "missing, attempt 1: 404 not found, the end",
    "withdrawn, attempt 1: the customer withdrew, the end",
  ],
};

/** How long until the next attempt depends on the machine. */
export function withoutTimes(lines: readonly string[]): readonly string[] {
  return lines.map((line) => line.replace(/ in about \d+ ms$/, ""));
}
