import { systemClock } from "../../dist/runtime/index.js";
import { connect } from "./stores.mjs";

const VALUE = new Uint8Array(300).fill(7);

/**
 * The transactions that a job needs at least (stored under its id, taken under a session, ended), as many jobs in each as the store's limits allow, one
 * transaction at a time on one client: jobs per transaction x transactions a second.
 */
export async function raw(store, url, place, jobs) {
  const client = connect(store, url, place);
  await client.open({ clock: systemClock });
  const session = (await client.openSession(20_000)).id;
  const each = Math.floor((client.capabilities.limits.operations - 4) / 3);
  const seconds = { push: 0, claim: 0, finish: 0 };
  const timed = async (phase, compares, writes) => {
    const start = performance.now();
    const result = await client.transact([{ session }, ...compares], writes);
    seconds[phase] += (performance.now() - start) / 1_000;
    if (!result.ok) throw new Error(`${phase} was refused`);
    return new Map(writes.map((write, index) => [write.put, result.versions[index]]));
  };
  for (let done = 0; done < jobs; done += each) {
    const ids = Array.from({ length: Math.min(each, jobs - done) }, (_, index) => done + index);
    const [id, ready, held] = ["i", "r", "p"].map((area) => (one) => `raw/${area}/${one}`);
    const absent = ids.map((one) => ({ key: id(one), absent: true }));
    const put = (key) => ({ put: key, value: VALUE, once: true });
    const ready1 = await timed(
      "push",
      absent,
      ids.flatMap((one) => [put(id(one)), put(ready(one))]),
    );
    const same = (key, versions) => ({ key, version: versions.get(key), once: true });
    const claims = ids.flatMap((one) => [{ delete: ready(one) }, put(held(one))]);
    const held1 = await timed(
      "claim",
      ids.map((one) => same(ready(one), ready1)),
      claims,
    );
    const ends = ids.flatMap((one) => [{ delete: held(one) }, { delete: id(one) }]);
    await timed(
      "finish",
      ids.map((one) => same(held(one), held1)),
      ends,
    );
  }
  await client.close();
  const total = seconds.push + seconds.claim + seconds.finish;
  return { jobsPerTransaction: each, jobsPerSecond: jobs / total, seconds };
}
