import type { Clock, Timer } from "../../../src/contract/index.ts";

export type Znode = Readonly<{ data: Uint8Array; mzxid: number; version: number; owner: number | undefined }>;
/** Of a parent: its own data's version, and that of its children's coming and going. */
export type AreaStat = Readonly<{ version: number; cversion: number; zxid: number }>;
export type MultiOp =
  | Readonly<{ op: "create"; path: string; data: Uint8Array; ephemeral: boolean }>
  | Readonly<{ op: "setData"; path: string; data: Uint8Array; version: number }>
  | Readonly<{ op: "delete"; path: string }>
  | Readonly<{ op: "check"; path: string; version: number }>;

const ANY = -1;
const parentOf = (path: string): string => path.slice(0, path.lastIndexOf("/"));

type Area = { version: number; cversion: number; zxid: number };

/**
 * Parents and children, multi transactions that answer with one zxid and nothing else, one-shot watches, sessions that live as long as their
 * connection pings. What matters of ZooKeeper.
 */
export class ZookeeperServer {
  readonly #clock: Clock;
  #nodes: Map<string, Znode> = new Map();
  #areas: Map<string, Area> = new Map();
  readonly #sessions = new Map<number, { timeoutMs: number; endsAt: number }>();
  #watches = new Map<string, (() => void)[]>();
  #zxid = 1;
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  connect(timeoutMs: number): number {
    this.#zxid += 1;
    this.#sessions.set(this.#zxid, { timeoutMs, endsAt: this.#clock.monotonic() + timeoutMs });
    this.#arm();
    return this.#zxid;
  }

  ping(session: number): boolean {
    const found = this.#sessions.get(session);
    if (found === undefined) return false;
    found.endsAt = this.#clock.monotonic() + found.timeoutMs;
    return true;
  }

  isAlive(session: number): boolean {
    return this.#sessions.has(session);
  }

  disconnect(session: number): void {
    if (!this.#sessions.delete(session)) return;
    const owned = [...this.#nodes].filter(([, { owner }]) => owner === session).map(([path]) => path);
    if (owned.length === 0) return;
    this.#zxid += 1;
    for (const path of owned) this.#remove(path);
    this.#fire(owned);
  }

  getData(path: string): Znode | undefined {
    return this.#nodes.get(path);
  }

  getChildren(area: string): readonly string[] {
    return [...this.#nodes.keys()].filter((path) => parentOf(path) === area);
  }

  stat(area: string): AreaStat {
    return this.#areas.get(area) ?? { version: 0, cversion: 0, zxid: 0 };
  }

  /** Fires once, after the area or one of its children changed. */
  watchOnce(area: string, fired: () => void): void {
    this.#watches.set(area, [...(this.#watches.get(area) ?? []), fired]);
  }

  /** The zxid of the whole, or undefined: one of them failed, nothing is done, and it does not say which. */
  multi(session: number, ops: readonly MultiOp[]): number | undefined {
    if (!this.#sessions.has(session)) throw new Error("SESSION_EXPIRED");
    const [nodes, areas] = [this.#nodes, this.#areas];
    this.#nodes = new Map(nodes);
    this.#areas = new Map([...areas].map(([name, area]) => [name, { ...area }]));
    this.#zxid += 1;
    for (const op of ops) {
      if (this.#run(op, session)) continue;
      [this.#nodes, this.#areas] = [nodes, areas];
      return undefined;
    }
    this.#fire(ops.map(({ path }) => path));
    return this.#zxid;
  }

  stop(): void {
    this.#timer?.cancel();
    this.#sessions.clear();
  }

  #run(op: MultiOp, session: number): boolean {
    const isArea = op.path.split("/").length === 3;
    if (isArea) return this.#runOnArea(op);
    const found = this.#nodes.get(op.path);
    switch (op.op) {
      case "create":
        if (found !== undefined) return false;
        this.#put(op.path, op.data, 0, op.ephemeral ? session : undefined);
        this.#area(parentOf(op.path)).cversion += 1;
        return true;
      case "setData":
        if (found === undefined || (op.version !== ANY && found.version !== op.version)) return false;
        this.#put(op.path, op.data, found.version + 1, found.owner);
        return true;
      case "delete":
        return this.#remove(op.path);
      case "check":
        return found !== undefined && (op.version === ANY || found.version === op.version);
    }
  }

  #runOnArea(op: MultiOp): boolean {
    if (op.op !== "setData") throw new Error("only data of an area is set");
    const area = this.#area(op.path);
    if (area.version !== op.version) return false;
    area.version += 1;
    return true;
  }

  #area(path: string): Area {
    const known = this.#areas.get(path) ?? { version: 0, cversion: 0, zxid: 0 };
    known.zxid = this.#zxid;
    this.#areas.set(path, known);
    return known;
  }

  #put(path: string, data: Uint8Array, version: number, owner: number | undefined): void {
    this.#nodes.set(path, { data: data.slice(), mzxid: this.#zxid, version, owner });
  }

  #remove(path: string): boolean {
    if (!this.#nodes.delete(path)) return false;
    this.#area(parentOf(path)).cversion += 1;
    return true;
  }

  #fire(paths: readonly string[]): void {
    const areas = new Set(paths.map((path) => (path.split("/").length === 3 ? path : parentOf(path))));
    for (const area of areas) {
      const fired = this.#watches.get(area) ?? [];
      this.#watches.delete(area);
      for (const watch of fired) watch();
    }
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#sessions.size === 0) return;
    this.#timer = this.#clock.timer(1_000, () => {
      this.#timer = undefined;
      const now = this.#clock.monotonic();
      for (const [session, { endsAt }] of this.#sessions) if (endsAt <= now) this.disconnect(session);
      this.#arm();
    });
  }
}
