import { RAW_CLIENTS } from "./raw-clients.mjs";

/** Three operations a job and 128 a transaction, of which a few are the session's: what etcd and Consul take. ZooKeeper gets as many. */
const JOBS_A_TRANSACTION = 41;

/**
 * The transactions that a job needs at least (stored under its id, taken under a session, ended), as many jobs in each as the store's limits allow, one
 * transaction at a time on the store's own client: jobs per transaction x transactions a second.
 */
export async function raw(store, url, place, jobs) {
  const client = await RAW_CLIENTS[store](url, place);
  const seconds = { push: 0, claim: 0, finish: 0 };
  for (let done = 0; done < jobs; done += JOBS_A_TRANSACTION) {
    const count = Math.min(JOBS_A_TRANSACTION, jobs - done);
    const ids = Array.from({ length: count }, (_, index) => String(done + index));
    for (const phase of ["push", "claim", "finish"]) {
      const start = performance.now();
      await client[phase](ids);
      seconds[phase] += (performance.now() - start) / 1_000;
    }
  }
  await client.close();
  const total = seconds.push + seconds.claim + seconds.finish;
  return { jobsPerTransaction: JOBS_A_TRANSACTION, jobsPerSecond: jobs / total, seconds };
}
