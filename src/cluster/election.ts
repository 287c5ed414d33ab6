import type { Compare, CoordinationEntry } from "../contract/index.ts";
import { Emitter } from "../core/index.ts";
import { JobferryError } from "../errors/index.ts";
import { checkOptions, Deferred, sleep, type KeptSession } from "../runtime/index.ts";
import { objectOf } from "./json-bytes.ts";
import { Lock } from "./lock.ts";
import type { NodeSession } from "./node-session.ts";
import type { StoreLink } from "./store-link.ts";
import { hasLeft, Place, standing } from "./waiting-line.ts";

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;

/** Who leads, as the store tells it. */
export type Leader = Readonly<{ nodeId: string; term: bigint }>;

/** This node leads. Its duties bear being done twice: `lost` and the clock only make that rare, and a guarded resource compares the term. */
export type Leadership = Readonly<{
  /** Rises with every leader: the fencing token. */
  term: bigint;
  /** Fires before another node can lead, unless this whole process stands still. */
  lost: AbortSignal;
  /** For a transaction in the cluster's own store. */
  guard: Compare;
}>;

export type ElectionEvents = {
  elected: Leadership;
  /** This node leads no more. */
  deposed: Readonly<{ term: bigint; reason: JobferryError }>;
};

export type ElectOptions = Readonly<{
  /** Called at once when this node leads already. */
  onElected?: (leadership: Leadership) => unknown;
  onDeposed?: (event: ElectionEvents["deposed"]) => unknown;
}>;

export function leaderOf(state: ReadonlyMap<string, CoordinationEntry>): Leader | undefined {
  const [first] = standing(state.values());
  const node = first === undefined ? undefined : objectOf(first.value)?.["node"];
  return first === undefined || typeof node !== "string" ? undefined : { nodeId: node, term: BigInt(first.version) };
}

/**
 * This node's candidacy. All candidates stand in one line and the first leads; each follows the line, so a new leader knows it from the watch
 * alone, without a request, and those who stay behind send none either.
 */
export class Election extends Emitter<ElectionEvents> {
  readonly #link: StoreLink;
  readonly #node: NodeSession;
  readonly #nodeId: string;
  readonly #line: string;
  readonly #report: (error: unknown) => void;
  readonly #stop = new AbortController();
  #state: ReadonlyMap<string, CoordinationEntry> = new Map();
  #place: Place | undefined;
  /** The place that a state held: then its absence is news, and before only a delay. */
  #seen: Place | undefined;
  /** Places of this node beside its own that are being removed. */
  readonly #removing = new Set<string>();
  #taking: Promise<void> | undefined;
  #leading: Lock | undefined;
  #elected: Deferred<Leadership> = new Deferred();

  constructor(link: StoreLink, node: NodeSession, nodeId: string, line: string, report: (error: unknown) => void) {
    super(["elected", "deposed"]);
    this.#link = link;
    this.#node = node;
    this.#nodeId = nodeId;
    this.#line = line;
    this.#report = report;
  }

  /** undefined while another node leads, or none. Looks at the clock. */
  get leadership(): Leadership | undefined {
    return this.#leading?.held === true ? leadershipOf(this.#leading) : undefined;
  }

  get isLeader(): boolean {
    return this.leadership !== undefined;
  }

  /** Resolves when this node leads: at once when it does already. @throws the signal's reason, or the end of the candidacy. */
  async elected(signal?: AbortSignal): Promise<Leadership> {
    const over = signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal]);
    for (;;) {
      over.throwIfAborted();
      const { leadership } = this;
      if (leadership !== undefined) return leadership;
      const aborted = new Deferred();
      const onAbort = (): void => aborted.resolve();
      over.addEventListener("abort", onAbort, { once: true });
      await Promise.race([this.#elected.promise, aborted.promise]);
      over.removeEventListener("abort", onAbort);
    }
  }

  /** Before it stands: an event that comes with the first state must find its listener. */
  listen(options: ElectOptions): void {
    checkOptions("elect", options, ["onElected", "onDeposed"]);
    const { onElected, onDeposed } = options;
    const { leadership } = this;
    if (onDeposed !== undefined) this.on("deposed", onDeposed);
    if (onElected === undefined) return;
    this.on("elected", onElected);
    if (leadership !== undefined) void Promise.resolve(leadership).then(onElected).catch(this.#report);
  }

  /** Takes a place in the line, and again with every new session of the node. */
  stand(): Promise<void> {
    this.#taking ??= this.#take().finally(() => (this.#taking = undefined));
    return this.#taking;
  }

  /** What the cluster's watch of the line tells. */
  follow(state: ReadonlyMap<string, CoordinationEntry>): void {
    this.#state = state;
    const place = this.#place;
    if (place === undefined) return;
    if (state.has(place.key)) this.#seen = place;
    else if (this.#seen === place) return this.#gone(place);
    this.#removeOthers(place);
    this.#judge();
  }

  /** No candidate any more; the next one leads at once. `with its session`: the caller ends that, and the place goes with it. */
  async end(reason: JobferryError, leaves: "at once" | "with its session"): Promise<void> {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort(reason);
    this.#stepDown(reason);
    await this.#taking?.catch(() => undefined);
    const place = this.#place;
    this.#place = undefined;
    if (leaves === "at once") await place?.leave();
  }

  async #take(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const session = await this.#node.live(this.#stop.signal);
      if (this.#place?.session === session) return;
      try {
        this.#place = await Place.take(this.#link, this.#line, this.#nodeId, session);
      } catch (error) {
        if (session.isLive) throw error;
        continue;
      }
      // Lost while the place was taken: nobody else stands again, because this still runs.
      if (!session.isLive) {
        this.#place = undefined;
        continue;
      }
      this.#onLost(session);
      this.#removeOthers(this.#place);
      return this.#judge();
    }
  }

  /**
   * Another place of this node is one that it does not know: first in the line, it would keep everybody from leading for as long as this node
   * lives. No two living nodes have one id, so it can only be this node's.
   */
  #removeOthers(place: Place): void {
    if (!place.session.isLive) return;
    for (const entry of this.#state.values()) {
      const { key, value, version } = entry;
      if (key === place.key || this.#removing.has(key) || objectOf(value)?.["node"] !== this.#nodeId) continue;
      if (hasLeft(entry)) continue;
      this.#removing.add(key);
      this.#link.store
        .transact([{ session: place.session.id }, { key, version }], [{ delete: key }]) // what is a mark by now stays
        .catch((error: unknown) => this.#link.report(error, "Removing an old place"))
        .finally(() => this.#removing.delete(key));
    }
  }

  #onLost(session: KeptSession): void {
    const again = (): void => {
      if (this.#place?.session !== session) return;
      this.#standAgain(session.lost.reason);
    };
    if (session.lost.aborted) return again();
    session.lost.addEventListener("abort", again, { once: true });
  }

  /** The key went without the session being known as lost: it ended in the store, or somebody removed the key by hand. */
  #gone(place: Place): void {
    this.#standAgain(new JobferryError("SESSION_LOST", "The node's place in the election is gone from the store."));
    void place.session.doubt();
    // Its put may arrive still, when nobody stands here any more to remove it.
    place.leave().catch((error: unknown) => this.#link.report(error, "Leaving a lost place"));
  }

  #standAgain(reason: JobferryError): void {
    this.#place = undefined;
    this.#stepDown(reason);
    if (this.#stop.signal.aborted) return;
    void this.#untilStanding();
  }

  /** What is not worth repeating at once may still pass: a right that somebody gives back. Nobody else would stand for this node. Never rejects. */
  async #untilStanding(): Promise<void> {
    const { clock } = this.#link;
    for (let pause = FIRST_PAUSE_MS; !this.#stop.signal.aborted; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      try {
        return await this.stand();
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        this.#link.report(error, "Standing for election");
      }
      await sleep(clock, pause * (0.5 + clock.random()), this.#stop.signal);
    }
  }

  /** A state may be late, but who was first in one of them leads until its session ends: nobody can come in front. */
  #judge(): void {
    const place = this.#place;
    if (place === undefined || this.#leading !== undefined || this.#stop.signal.aborted) return;
    if (!this.#state.has(place.key)) return;
    this.#seen = place; // the state that has it can be older than the answer that told this node its place
    if (leaderOf(this.#state)?.term !== place.token || !place.session.isLive) return;
    const { key, token, session } = place;
    const lock = new Lock({ name: "leader", key, token, session, giveUp: () => Promise.resolve() });
    if (!lock.held) return;
    this.#leading = lock;
    const leadership = leadershipOf(lock);
    this.#elected.resolve(leadership);
    this.emit("elected", leadership, this.#report);
  }

  #stepDown(reason: JobferryError): void {
    const lock = this.#leading;
    if (lock === undefined) return;
    this.#leading = undefined;
    this.#elected = new Deferred();
    lock.end(reason);
    this.emit("deposed", { term: lock.token, reason }, this.#report);
  }
}

function leadershipOf({ token, lost, guard }: Lock): Leadership {
  return { term: token, lost, guard };
}
