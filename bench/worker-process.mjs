import { plan } from "./plan.mjs";

/** One of several processes that work on a queue which their parent has filled. Messages: ready, then after "go" what has run, until "stop". */
const [backend, peerName, concurrency, connection] = process.argv.slice(2);
const REPORT_MS = 10;

const peer = (await plan[backend].peers()).find(({ name }) => name === peerName);
const queue = await peer.attach(JSON.parse(connection));
const ran = [];
const counts = { runs: 0, confirmed: 0, lastConfirmedAt: 0, mostUnconfirmed: 0 };
const handler = ({ i }) => {
  ran.push(i);
  counts.runs += 1;
  counts.mostUnconfirmed = Math.max(counts.mostUnconfirmed, counts.runs - counts.confirmed);
};
const confirmed = (jobs) => {
  counts.confirmed += jobs;
  counts.lastConfirmedAt = performance.timeOrigin + performance.now();
};

let stop;
let reporting;
let cpu;
async function go() {
  cpu = process.cpuUsage();
  stop = await queue.work({ concurrency: Number(concurrency), handler, confirmed });
  let told = 0;
  reporting = setInterval(() => {
    if (counts.runs + counts.confirmed === told) return;
    told = counts.runs + counts.confirmed;
    process.send({ ...counts });
  }, REPORT_MS);
}

async function end() {
  const { user, system } = process.cpuUsage(cpu);
  clearInterval(reporting);
  await stop();
  await queue.close();
  process.send({ ...counts, ended: { ran, cpuUs: user + system } }, () => process.exit(0));
}

process.on("message", (message) => {
  // What rejects here ends this process, which its parent tells.
  void (message === "go" ? go() : end());
});
process.send({ ready: true });
