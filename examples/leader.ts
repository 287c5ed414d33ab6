// One node of several leads. When it leaves, the next one leads at once.
// #region leader
import { memoryCluster } from "jobferry";

const options = { electionTimeout: "5s", heartbeatInterval: "1s" } as const;
const nodes = ["node-1", "node-2"].map((nodeId) => memoryCluster({ nodeId, ...options }));

for (const node of nodes) {
  await node.start();
  await node.elect({
    onElected: ({ term, lost }) => duties(node.nodeId, term, lost),
    onDeposed: ({ reason }) => console.log(`${node.nodeId} leads no more: ${reason.code}`),
  });
}

/** They bear being done by two at once: a leader that was stopped may not know yet that it is none any more. */
async function duties(nodeId: string, term: bigint, lost: AbortSignal): Promise<void> {
  console.log(`${nodeId} leads, its term is a number: ${term > 0n}`);
  while (!lost.aborted) {
    await tidyUp(term); // hands the term to what it writes to
    await new Promise((resolve) => lost.addEventListener("abort", resolve, { once: true }));
  }
}
// #endregion leader

async function tidyUp(_term: bigint): Promise<void> {
  console.log("tidying up");
}

await new Promise((resolve) => setTimeout(resolve, 50));
const [first, second] = nodes;
await first?.stop();
await new Promise((resolve) => setTimeout(resolve, 50));
console.log("leader:", second?.leader?.nodeId);
console.log("nodes:", (await second?.nodes())?.map(({ id }) => id).join(", "));
await second?.stop();
