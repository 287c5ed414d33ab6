import type { ErrorCode, Timer, Version } from "../contract/index.ts";
import type { JobferryError } from "../errors/index.ts";
import { Deferred, idOfSequence, KeptSession, nextSequence, sleep } from "../runtime/index.ts";
import type { ClusterSettings } from "./cluster-options.ts";
import { bytesOfJson } from "./json-bytes.ts";
import { checkRecord, register, type NodeRecord } from "./registration.ts";
import type { StoreLink } from "./store-link.ts";

const LONGEST_PAUSE_MS = 1_000;
/** After what another try would most probably meet again, as a right that is missing. */
const REFUSED_PAUSE_MS = 10_000;
/** An id that is taken was waited for already, and a session that the store granted after its time was over is lost before it counts. */
const PASSING: ReadonlySet<ErrorCode> = new Set(["NODE_ID_TAKEN", "SESSION_LOST"]);

export type NodeHooks = Readonly<{
  /** A new session is registered, also the first. */
  joined(session: KeptSession): void;
  lost(reason: JobferryError): void;
}>;

/**
 * The node's sign of life: a session with the node's key under it. When it is lost the node opens another one under a new id and registers
 * again. What the old one held (leadership, locks) is not restored.
 */
export class NodeSession {
  readonly #link: StoreLink;
  readonly #settings: ClusterSettings;
  readonly #hooks: NodeHooks;
  readonly #stop = new AbortController();
  readonly #incarnation = idOfSequence(nextSequence());
  readonly #startedAt: number;
  #session: KeptSession | undefined;
  /** Open, and not registered yet. */
  #joining: KeptSession | undefined;
  #rejoined: Promise<void> | undefined;
  #arrived: Deferred<KeptSession> = new Deferred();
  #load: unknown = null;
  /** Of the node's key; undefined when it must be asked for. */
  #version: Version | undefined;
  #loadTimer: Timer | undefined;

  constructor(link: StoreLink, settings: ClusterSettings, hooks: NodeHooks) {
    this.#link = link;
    this.#settings = settings;
    this.#hooks = hooks;
    this.#startedAt = Math.floor(link.clock.now());
    checkRecord("info", this.#record, this.#maxBytes);
  }

  get #maxBytes(): number {
    return this.#link.store.capabilities.limits.valueBytes;
  }

  /** @throws NODE_ID_TAKEN, or what the store says; then nothing is left behind. */
  async start(): Promise<void> {
    this.#set(await this.#join());
  }

  /** undefined while the node has no session that counts. */
  get current(): KeptSession | undefined {
    return this.#session?.isLive === true ? this.#session : undefined;
  }

  /** The session as soon as there is one. @throws the signal's reason. */
  async live(signal: AbortSignal): Promise<KeptSession> {
    for (;;) {
      signal.throwIfAborted();
      const { current } = this;
      if (current !== undefined) return current;
      const aborted = new Deferred<undefined>();
      const onAbort = (): void => aborted.resolve(undefined);
      signal.addEventListener("abort", onAbort, { once: true });
      await Promise.race([this.#arrived.promise, aborted.promise]);
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** Told to others with one of the next heartbeats. @throws PAYLOAD_TOO_LARGE; then the load before it stays. */
  setLoad(load: unknown): void {
    checkRecord("load", { ...this.#record, load }, this.#maxBytes);
    this.#load = load;
    this.#tellSoon();
  }

  #tellSoon(): void {
    if (this.#loadTimer !== undefined || this.#stop.signal.aborted) return;
    const tell = (): void => {
      this.#loadTimer = undefined;
      void this.#tellLoad();
    };
    this.#loadTimer = this.#link.clock.timer(this.#settings.heartbeatMs, tell, { keepAlive: false });
  }

  #tellWait(joinMs: number): void {
    const { logger, nodeId } = this.#settings;
    logger.warn(
      { nodeId },
      `Another node has the id "${nodeId}", or had it until it died: its session may last a while. Joining waits for up to ${joinMs} ms.`,
    );
  }

  /** Ends the session: everything that it holds is free at once. */
  async stop(reason: JobferryError): Promise<void> {
    this.#stop.abort(reason);
    this.#loadTimer?.cancel();
    const open = [this.#session, this.#joining].filter((session) => session !== undefined);
    this.#session = undefined;
    await Promise.all(open.map((session) => session.close(reason)));
    await this.#rejoined;
  }

  get #record(): Omit<NodeRecord, "session"> {
    const { nodeId, info } = this.#settings;
    return { id: nodeId, incarnation: this.#incarnation, startedAt: this.#startedAt, info, load: this.#load };
  }

  async #join(): Promise<KeptSession> {
    const { electionMs, heartbeatMs, keys, nodeId, joinMs } = this.#settings;
    const timing = { ttlMs: electionMs, renewEveryMs: heartbeatMs };
    const trouble = (error: unknown): void => this.#link.report(error, "Renewing the session");
    const session = await this.#link.ask("Opening a session", () =>
      KeptSession.open(this.#link.store, this.#link.clock, timing, trouble),
    );
    this.#joining = session;
    try {
      this.#stop.signal.throwIfAborted();
      const record = { ...this.#record, session: session.id };
      this.#version = await register(this.#link, keys.node(nodeId), record, session, joinMs, () =>
        this.#tellWait(joinMs),
      );
      return session;
    } catch (error) {
      await session.close(this.#link.errorOf(error, "Joining")).catch(() => undefined);
      throw error;
    } finally {
      this.#joining = undefined;
    }
  }

  #set(session: KeptSession): void {
    this.#session = session;
    const onLost = (): void => {
      if (this.#stop.signal.aborted) return;
      this.#session = undefined;
      this.#arrived = new Deferred();
      this.#hooks.lost(session.lost.reason);
      this.#rejoined = this.#joinAgain();
    };
    this.#arrived.resolve(session);
    this.#hooks.joined(session);
    // Heard from now on: a listener that finds it lost must not make the node join twice.
    if (session.lost.aborted) onLost();
    else session.lost.addEventListener("abort", onLost, { once: true });
  }

  async #joinAgain(): Promise<void> {
    const { clock } = this.#link;
    for (let next = 50; !this.#stop.signal.aborted; next = Math.min(2 * next, LONGEST_PAUSE_MS)) {
      let pause = next;
      try {
        const session = await this.#join();
        if (!this.#stop.signal.aborted) return this.#set(session);
        return await session.close(this.#stop.signal.reason);
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        const { code, retryable } = this.#link.errorOf(error, "Joining again");
        this.#link.report(error, "Joining again");
        if (!retryable && !PASSING.has(code)) pause = REFUSED_PAUSE_MS;
      }
      await sleep(clock, pause * (0.5 + clock.random()), this.#stop.signal);
    }
  }

  async #tellLoad(): Promise<void> {
    const session = this.current;
    if (session === undefined) return; // the next registration tells it
    const { keys, nodeId } = this.#settings;
    const key = keys.node(nodeId);
    const value = bytesOfJson({ ...this.#record, session: session.id });
    try {
      const version = this.#version ?? (await this.#link.store.get(key))?.version;
      this.#version = undefined;
      // Compared, because one without an answer may arrive behind a newer one.
      const before = version === undefined ? ({ key, absent: true } as const) : { key, version };
      const put = { put: key, value, session: session.id };
      const told = await this.#link.store.transact([{ session: session.id }, before], [put]);
      if (told.ok) this.#version = told.versions[0];
      else this.#tellSoon();
    } catch (error) {
      this.#link.report(error, "Telling the load");
      this.#tellSoon();
    }
  }
}
