import { randomUUID } from "node:crypto";
import type { Capabilities, DriverContext, Durability, ReserveRequest, ReserveResult } from "../../contract/index.ts";
import { isJobferryError, JobferryError, UnsupportedError } from "../../errors/index.ts";
import { settledWithin, systemClock } from "../../runtime/index.ts";
import { DiedJobs } from "../shared/died-jobs.ts";
import { type Kept, keptUnder } from "../shared/retention.ts";
import { redisCapabilities } from "./capabilities.ts";
import { claimJobs, giveBack } from "./claim-jobs.ts";
import { connectionFor } from "./clients/connect.ts";
import type { RedisConnection } from "./clients/connection.ts";
import { Durable } from "./durable.ts";
import { classify, isForeign, tlsMismatch } from "./errors.ts";
import { partitionsOf, rootOf } from "./keys.ts";
import type { Settings } from "./options.ts";
import { scripts } from "./script.ts";
import { checkServer, LAYOUT_VERSION } from "./server-check.ts";
import type { Server } from "./server-check.ts";
import { RedisStore, within } from "./store.ts";
import { WaitingReserves } from "./waiting-reserves.ts";
import { WakeUps } from "./wake-ups.ts";

const CLOSE_MS = 2_000;

export function shownAddress({ target }: Settings): string {
  return "address" in target ? target.address.shown : "the client's server";
}

/** An open store with everything that waits on it. */
export class OpenStore {
  readonly store: RedisStore;
  readonly capabilities: Capabilities;
  readonly durable: Durable | undefined;
  readonly waiting: WaitingReserves;
  readonly kept: Kept;
  /** Of finishes; the next reserve or maintain reports them. */
  readonly died: DiedJobs = new DiedJobs();
  readonly #wakeUps: readonly WakeUps[];
  readonly #claiming = new Set<Promise<unknown>>();

  private constructor(store: RedisStore, capabilities: Capabilities, durable: Durable | undefined) {
    this.store = store;
    this.capabilities = capabilities;
    this.durable = durable;
    this.kept = keptUnder(store.context.retention);
    this.waiting = new WaitingReserves(store.context.clock, {
      claim: (request, isOver) => this.claim(request, isOver),
      giveBack: (result) => giveBack(store, result),
      listen: (queues) => this.#wakeUps.forEach((one) => one.start(queues)),
    });
    const name = randomUUID();
    const listeners = {
      queues: () => this.waiting.queues(),
      wake: (queue: string) => this.waiting.wake(queue),
    };
    this.#wakeUps = store.partitions.map((partition) => new WakeUps(store, partition, name, listeners));
  }

  /** @throws what `checkServer` does, STORE_NEWER, STORE_FOREIGN, UNAVAILABLE, ACCESS_DENIED, CLIENT_MISSING. */
  static async open(settings: Settings, context: DriverContext): Promise<OpenStore> {
    const shown = shownAddress(settings);
    const connection = await connectionFor(settings);
    try {
      return await within(openOn(connection, settings, context), settings.connectMs, () =>
        notOpened(connection, settings),
      );
    } catch (error) {
      connection.close();
      const told = isJobferryError(error) ? error : opening(error, settings, `Opening ${shown} failed.`);
      throw await explained(told, settings);
    }
  }

  static make(store: RedisStore, capabilities: Capabilities, durable: Durable | undefined): OpenStore {
    return new OpenStore(store, capabilities, durable);
  }

  claim(request: ReserveRequest, isOver: () => boolean): Promise<ReserveResult> {
    const claiming = this.#claim(request, isOver);
    this.#claiming.add(claiming);
    const settled = (): void => void this.#claiming.delete(claiming);
    claiming.then(settled, settled);
    return claiming;
  }

  async #claim(request: ReserveRequest, isOver: () => boolean): Promise<ReserveResult> {
    return this.died.reportIn(await claimJobs(this.store, request, isOver));
  }

  async close(): Promise<void> {
    this.waiting.close();
    for (const one of this.#wakeUps) one.close();
    // Their answers may bring jobs, which who asked still gets.
    await settledWithin(systemClock, Promise.allSettled(this.#claiming), CLOSE_MS);
    this.durable?.connection.close();
    this.store.connection.close();
  }
}

async function openOn(connection: RedisConnection, settings: Settings, context: DriverContext): Promise<OpenStore> {
  await connection.ready();
  const { prefix, partitions: count, commandMs, time } = settings;
  const root = rootOf(prefix);
  const server = await checkServer(connection, root.route);
  const partitions = partitionsOf(prefix, count);
  const store = new RedisStore({ connection, partitions, context, shown: shownAddress(settings), commandMs, time });
  const layout = await store.call(scripts.open, root, [String(LAYOUT_VERSION), String(count)]);
  checkLayout(layout as readonly [number, number], settings);
  await Promise.all(partitions.map((partition) => store.call(scripts.prepare, partition, [])));
  const durability = durabilityOf(server, settings, connection.kind);
  const wanted = { fsync: durability.fsync, replicas: settings.replicas, waitMs: commandMs };
  const needsWait = durability.fsync || settings.replicas > 0;
  const durable = needsWait ? new Durable(store, await connection.duplicate("durable"), wanted) : undefined;
  return OpenStore.make(store, redisCapabilities(durability.level, count), durable);
}

export function notOpened({ lastError }: RedisConnection, settings: Settings): Error {
  const silent = `${shownAddress(settings)} gave no answer within ${settings.connectMs} ms (connectTimeout).`;
  if (lastError !== undefined) return opening(lastError, settings, silent);
  return new JobferryError("UNAVAILABLE", silent + tlsHint(settings), { retryable: true });
}

function opening(error: unknown, settings: Settings, otherwise: string): JobferryError {
  const { code, retryable, message = otherwise } = classify(error, shownAddress(settings));
  // Its own reason says more where it was the handshake.
  const hint = code === "UNAVAILABLE" && retryable ? tlsHint(settings) : "";
  return new JobferryError(code, message + hint, { retryable, cause: error });
}

/** What an open that failed is to throw. Where nothing answered, or nothing that is Redis's, the server is asked whether it is TLS that keeps the two apart. */
export async function explained(error: unknown, settings: Settings): Promise<unknown> {
  const { target, clientOptions } = settings;
  const { code, retryable } = classify(error, shownAddress(settings));
  const isUnclear = (code === "UNAVAILABLE" && retryable) || (error instanceof Error && isForeign(error.cause));
  if (!("address" in target && isUnclear)) return error;
  const found = await tlsMismatch(target.address, clientOptions);
  return found === undefined ? error : new JobferryError(found.code, found.message ?? "", { cause: error });
}

/** A server without TLS waits for the end of what it takes for a command, and clients of groups do not tell why no server would do. */
function tlsHint({ target }: Settings): string {
  if (!("address" in target && target.address.tls)) return "";
  return " With TLS it may also be that the server speaks none or that its certificate is not trusted (clientOptions.tls.ca with ioredis, clientOptions.socket.ca with redis).";
}

function checkLayout([layout, partitions]: readonly [number, number], settings: Settings): void {
  if (layout > LAYOUT_VERSION) {
    throw new JobferryError(
      "STORE_NEWER",
      `The store under the prefix ${JSON.stringify(settings.prefix)} has layout ${layout}; this version of Jobferry reads ${LAYOUT_VERSION}. Upgrade Jobferry here.`,
    );
  }
  if (layout !== LAYOUT_VERSION || partitions < 1) {
    throw new JobferryError(
      "STORE_FOREIGN",
      `The keys under the prefix ${JSON.stringify(settings.prefix)} are not Jobferry's. Choose another prefix.`,
    );
  }
  if (partitions === settings.partitions) return;
  throw new JobferryError(
    "INVALID_ARGUMENT",
    `partitions is ${settings.partitions}, but this store was made with ${partitions}. Ask for ${partitions}, or use another prefix and move the jobs.`,
  );
}

/** @throws UNSUPPORTED when more is asked for than the server gives. */
function durabilityOf(
  server: Server,
  { durability }: Settings,
  kind: RedisConnection["kind"],
): Readonly<{ level: Durability; fsync: boolean }> {
  if (durability !== "power" || server.durability === "power") return { level: server.durability, fsync: false };
  if (server.waitsForDisk && kind !== "cluster") return { level: "power", fsync: true };
  const how =
    kind === "cluster"
      ? "Set appendfsync to always on its nodes."
      : "Set appendonly to yes and appendfsync to everysec or always; only always where the server is older than Redis 7.2.";
  throw new UnsupportedError("durability", `durability "power" was asked for, which this server cannot give. ${how}`);
}
