import { cases } from "./cases.mjs";
import { plan } from "./plan.mjs";

/** One case of one peer in a process of its own: a warm-up, then the repeats. Prints one line of JSON. */
const [backend, caseName, peerName] = process.argv.slice(2);
const { peers, repeats, durability, cases: planned } = plan[backend];
const settings = planned[caseName];
const peer = { ...(await peers()).find(({ name }) => name === peerName), durability };
const options = { ...settings, backend, count: settings.counts?.[peerName] ?? settings.count };

/** As long as a repeat: a worker lives for days, so code that is not compiled yet is not what is compared. */
const warmUp = {
  ...options,
  count: Math.min(options.count ?? 0, 20_000),
  waiting: Math.min(options.waiting ?? 0, 1_000),
  take: Math.min(options.take ?? 0, 20_000),
};
if (settings.run !== "heap") await cases[settings.run](peer, warmUp);
const results = [];
for (let i = 0; i < (settings.run === "heap" ? 1 : (settings.repeats ?? repeats)); i += 1) {
  globalThis.gc();
  const result = await cases[settings.run](peer, options);
  results.push(typeof result === "number" ? { value: result } : result);
}
const values = results.map(({ value }) => value).toSorted((a, b) => a - b);
const median = values[Math.floor(values.length / 2)];
const shown = results.find(({ value }) => value === median);
process.stdout.write(
  `${JSON.stringify({ ...shown, value: median, min: values[0], max: values.at(-1), count: options.count ?? options.take, durability, prefetch: peer.prefetch })}\n`,
);
process.exit(0);
