import { type ChildProcess, fork } from "node:child_process";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { startTcpProxy, type TcpProxy } from "../faults/tcp-proxy.ts";
import type { Place } from "../process/cluster/place.ts";
import type { NodeSettings, Told } from "./cluster-node-process.ts";
import { childEnv } from "./compile-cache.ts";
import { appendOutput, type LogWriter, machineMs } from "./log.ts";

const START_MS = 60_000;
const STOP_MS = 30_000;

/** Where nodes find the store: each by a way of its own where there can be one. */
export type Ground = Readonly<{
  /** None: clients learn addresses from the servers themselves, or there is no server. */
  servers: readonly Readonly<{ host: string; port: number }>[];
  /** By ports that lead to these servers, in their order. */
  placeBy(ports: readonly number[]): Place;
  urlBy(ports: readonly number[]): string;
}>;

type Node = {
  readonly name: string;
  readonly child: ChildProcess;
  readonly exited: Promise<void>;
  /** One a server. */
  readonly proxies: readonly TcpProxy[];
  doomed: boolean;
};

export type Heard = Told & Readonly<{ node: string }>;

/** The nodes of a cluster: started, killed, stopped, cut off, restarted. */
export class ClusterFleet {
  readonly heard: Heard[] = [];
  readonly problems: string[] = [];
  readonly #nodes = new Map<string, Node>();
  readonly #ground: Ground;
  readonly #settings: Omit<NodeSettings, "name" | "url" | "place">;
  readonly #log: LogWriter;
  #made = 0;

  constructor(ground: Ground, settings: Omit<NodeSettings, "name" | "url" | "place">, log: LogWriter) {
    this.#ground = ground;
    this.#settings = settings;
    this.#log = log;
  }

  /** Resolves when it has joined. */
  async start(): Promise<string> {
    this.#made += 1;
    const name = `node-${this.#made}`;
    const proxies = await Promise.all(this.#ground.servers.map(startTcpProxy));
    const ports = proxies.map(({ port }) => port);
    const settings: NodeSettings = {
      ...this.#settings,
      ...{ name, url: this.#ground.urlBy(ports), place: this.#ground.placeBy(ports) },
    };
    const file = fileURLToPath(new URL("cluster-node-process.ts", import.meta.url));
    const child = fork(file, [JSON.stringify(settings)], {
      execArgv: ["--disable-warning=ExperimentalWarning"],
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      env: childEnv(),
    });
    const keep = (text: Buffer): void => appendOutput(settings.folder, name, text.toString());
    child.stdout?.on("data", keep);
    child.stderr?.on("data", keep);
    child.on("message", (message) => this.heard.push({ ...(message as Told), node: name }));
    const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    const node: Node = { name, child, exited, proxies, doomed: false };
    child.once("exit", (code, signal) => {
      this.#nodes.delete(name);
      if (code !== 0 && !node.doomed) this.problems.push(`${name} ended with ${signal ?? `exit code ${code}`}`);
      for (const proxy of proxies) void proxy.close();
    });
    this.#nodes.set(name, node);
    await this.until(() => this.#has(name, "joined") || !this.#nodes.has(name), START_MS, `${name} joins`);
    return name;
  }

  #has(name: string, kind: Told["kind"]): boolean {
    return this.heard.some((one) => one.node === name && one.kind === kind);
  }

  get names(): readonly string[] {
    return [...this.#nodes.keys()];
  }

  /** Who was elected last, if it is there and was not deposed. */
  get leader(): string | undefined {
    const last = this.heard.findLast(({ kind }) => kind === "elected");
    const isDeposed = this.heard.some((one) => one.kind === "deposed" && one.term === last?.term);
    return last !== undefined && !isDeposed && this.#nodes.has(last.node) ? last.node : undefined;
  }

  /** One that does not lead. */
  get follower(): string | undefined {
    return this.names.find((name) => name !== this.leader);
  }

  /** Whether each node has a session, as far as it knows: on a busy machine one is lost without a fault. */
  get areMembers(): boolean {
    const last = (name: string): Heard | undefined =>
      this.heard.findLast(({ node, kind }) => node === name && (kind === "lost" || kind === "rejoined"));
    return this.names.every((name) => last(name)?.kind !== "lost");
  }

  async kill(name: string): Promise<void> {
    const node = this.#nodes.get(name);
    if (node === undefined) return;
    node.doomed = true;
    this.#log.write({ type: "fault", fault: "kill", target: name });
    node.child.kill("SIGKILL");
    await node.exited;
  }

  /** SIGSTOP. Resolves to what wakes it up. */
  freeze(name: string): () => void {
    const node = this.#nodes.get(name);
    this.#log.write({ type: "fault", fault: "stop", target: name });
    node?.child.send("freeze", () => undefined);
    return () => {
      node?.child.kill("SIGCONT");
      this.#log.write({ type: "fault", fault: "continue", target: name });
    };
  }

  /** Nothing gets through between it and the store, and nobody is told. Resolves to what heals it. */
  part(name: string): () => Promise<void> {
    const proxies = this.#nodes.get(name)?.proxies ?? [];
    this.#log.write({ type: "fault", fault: "stop", target: name, why: "cut off" });
    const heal = halfOpen(proxies);
    return async () => {
      await heal();
      this.#log.write({ type: "fault", fault: "continue", target: name });
    };
  }

  /** Nothing gets through between any node and one of the servers. Resolves to what heals it. */
  partServer(index: number): () => Promise<void> {
    return halfOpen([...this.#nodes.values()].flatMap(({ proxies }) => proxies.slice(index, index + 1)));
  }

  /** Asks it to leave. Resolves to when it began to. */
  async retire(name: string): Promise<number> {
    const node = this.#nodes.get(name);
    const asked = machineMs();
    if (node === undefined) return asked;
    node.child.kill("SIGTERM");
    const late = pause(STOP_MS, "late", { ref: false });
    if ((await Promise.race([node.exited, late])) === "late") {
      this.problems.push(`${name} did not stop within ${STOP_MS} ms`);
      await this.kill(name);
    }
    return this.heard.find((one) => one.node === name && one.kind === "stopping")?.at ?? asked;
  }

  /** When another one was elected after that time. */
  elected(after: number, withinMs: number): Promise<number | undefined> {
    return this.#told(({ kind }) => kind === "elected", after, withinMs);
  }

  /** When that node joined again after that time. */
  rejoined(name: string, after: number, withinMs: number): Promise<number | undefined> {
    return this.#told(({ kind, node }) => kind === "rejoined" && node === name, after, withinMs);
  }

  async #told(is: (one: Heard) => boolean, after: number, withinMs: number): Promise<number | undefined> {
    const found = (): Heard | undefined => this.heard.find((one) => one.at > after && is(one));
    await this.until(() => found() !== undefined, withinMs, "").catch(() => undefined);
    return found()?.at;
  }

  async stop(): Promise<void> {
    await Promise.all(this.names.map((name) => this.retire(name)));
  }

  async until(holds: () => boolean, withinMs: number, what: string): Promise<void> {
    const end = machineMs() + withinMs;
    while (!holds()) {
      if (machineMs() > end) throw new Error(`not within ${withinMs} ms: ${what}`);
      await pause(5);
    }
  }
}

function halfOpen(proxies: readonly TcpProxy[]): () => Promise<void> {
  for (const proxy of proxies) proxy.halfOpen();
  return async () => {
    await Promise.all(proxies.map((proxy) => proxy.pass()));
    for (const proxy of proxies) proxy.cut("reset");
  };
}
