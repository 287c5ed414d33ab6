import { afterEach } from "vitest";
import { Cluster, type ClusterOptions } from "../../../src/cluster/index.ts";
import { MemoryCoordination, memoryCoordinationStore } from "../../../src/drivers/memory/coordination-store.ts";
import { JobferryError } from "../../../src/errors/index.ts";
import { silentLogger } from "../../../src/runtime/index.ts";
import { virtualClock, type VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { FaultyClient } from "../../conformance/coordination/faults.ts";

export const TTL = 3_000;

export type Node = Readonly<{ cluster: Cluster; line: FaultyClient; errors: JobferryError[]; clock: VirtualClock }>;

/** Several nodes on one memory and one virtual clock, each behind a line that can be cut. */
export class Stage {
  readonly clock: VirtualClock = virtualClock();
  readonly memory: MemoryCoordination = new MemoryCoordination();
  readonly #clusters: Cluster[] = [];

  node(nodeId: string, options: Partial<ClusterOptions> = {}): Node {
    const line = new FaultyClient(memoryCoordinationStore(this.memory));
    const times = { electionTimeout: TTL, heartbeatInterval: 500, clock: this.clock, logger: silentLogger };
    const cluster = new Cluster(line, { nodeId, ...times, ...options });
    const errors: JobferryError[] = [];
    cluster.on("error", ({ error }) => errors.push(error));
    this.#clusters.push(cluster);
    return { cluster, line, errors, clock: this.clock };
  }

  async started(nodeId: string, options: Partial<ClusterOptions> = {}): Promise<Node> {
    const node = this.node(nodeId, options);
    await this.settled(node.cluster.start());
    await this.pass(0);
    return node;
  }

  async pass(ms: number): Promise<void> {
    await this.clock.advance(ms);
  }

  /** The promise's result, while time passes. */
  async settled<T>(promise: Promise<T>, withinMs = 30_000): Promise<T> {
    let done = false;
    const watched = promise.then(
      () => void (done = true),
      () => void (done = true),
    );
    for (let passed = 0; !done && passed <= withinMs; passed += 10) await this.clock.advance(passed === 0 ? 0 : 10);
    if (!done) throw new Error(`not settled within ${withinMs} virtual ms`);
    await watched;
    return promise;
  }

  async stop(): Promise<void> {
    for (const cluster of this.#clusters) await this.settled(cluster.stop());
  }
}

const stages: Stage[] = [];

export function newStage(): Stage {
  const stage = new Stage();
  stages.push(stage);
  return stage;
}

afterEach(async () => {
  for (const stage of stages.splice(0)) {
    await stage.stop();
    if (stage.clock.armed > 0) throw new Error(`${stage.clock.armed} timers are armed after all nodes stopped`);
  }
});

export async function failure(promise: Promise<unknown>): Promise<JobferryError> {
  return promise.then(
    () => {
      throw new Error("it did not fail");
    },
    (error: unknown) => {
      if (error instanceof JobferryError) return error;
      throw error;
    },
  );
}
