/** The driver on a real server, as the conformance suite wants it: a prefix for each case, a proxy to lose answers, sockets to kill. */
import { connect as newest } from "amqplib";
import type { ChannelModel } from "amqplib";
import type { Capabilities, Driver } from "../../src/contract/index.ts";
import { memoryDriver } from "../../src/drivers/memory/memory-driver.ts";
import { rabbitmqDriver } from "../../src/drivers/rabbitmq/index.ts";
import type { AmqpClient, RabbitmqDriverOptions } from "../../src/drivers/rabbitmq/index.ts";
import { LEVELS } from "../../src/drivers/rabbitmq/ladder.ts";
import { Names } from "../../src/drivers/rabbitmq/names.ts";
import type { SecondQueue } from "../../src/drivers/shared/second-store.ts";
import { silentLogger, systemClock } from "../../src/runtime/index.ts";
import type { ConformanceTarget } from "../../src/testing/conformance/index.ts";
import { AnswerLoser, BARRIER, confirmOf } from "./answer-loser.ts";

type Life = Readonly<{ prefix: string; clients: AmqpClient[]; dead: AbortController }>;
type Connect = (url: string, options?: object) => Promise<AmqpClient>;
type Target = ConformanceTarget & Readonly<{ end(): Promise<void> }>;

const KEEP_ALL = { count: Infinity, ageMs: Infinity };
let made = 0;

export function freshPrefix(): string {
  made += 1;
  return `t${process.pid.toString(36)}-${made.toString(36)}`;
}

type TargetOptions = Readonly<{
  /** Of which release of amqplib. */
  connect?: Connect;
  /** Failed jobs go to a store in memory, one for each case. */
  records?: boolean;
}>;

export async function rabbitmqTarget(url: string, options: TargetOptions = {}): Promise<Target> {
  const { connect = newest, records = false } = options;
  const proxy = new AnswerLoser(Number(new URL(url).port));
  const through = new URL(url);
  through.port = String(await proxy.listen());
  through.search = "?frameMax=131072&heartbeat=10";
  const admin = await newest(url);
  admin.on("error", () => undefined);
  const lives = new Map<Driver, Life>();
  const used = new Set<string>();
  let prefix = "";
  let second: SecondQueue | undefined;

  const make = (): Driver => {
    const life: Life = { prefix, clients: [], dead: new AbortController() };
    const open = async (): Promise<AmqpClient> => {
      life.dead.signal.throwIfAborted();
      const client = await connect(through.href, { noDelay: true });
      life.clients.push(client);
      return client;
    };
    const driverOptions: RabbitmqDriverOptions = { connect: open, prefix, settle: 0 };
    const driver = noting(rabbitmqDriver(driverOptions, second), used);
    lives.set(driver, life);
    return driver;
  };

  return {
    open: () => {
      prefix = freshPrefix();
      second = records ? inMemory() : undefined;
      return make();
    },
    reopen: () => make(),
    crash: (driver) => {
      const life = lives.get(driver);
      life?.dead.abort(new Error("this driver was killed"));
      for (const client of life?.clients ?? []) destroy(client);
    },
    loseAnswer: (_driver, call) => proxy.lose(call === "push" ? confirmOf(new Names(prefix).live("work")) : BARRIER),
    cleanup: async () => {
      lives.clear();
      await removeAll(admin, new Names(prefix), used);
      used.clear();
    },
    end: async () => {
      await admin.close();
      await proxy.close();
    },
  };
}

function inMemory(): SecondQueue {
  const driver = memoryDriver();
  const retention = { completed: KEEP_ALL, failed: KEEP_ALL };
  let opening: Promise<Capabilities> | undefined;
  return { driver, open: () => (opening ??= driver.open({ clock: systemClock, logger: silentLogger, retention })) };
}

/** As SIGKILL ends a connection: without a word. */
function destroy(client: AmqpClient): void {
  (client.connection as unknown as { stream: { destroy(): void } }).stream.destroy();
}

/** Remembers which queues were used, so that they can be removed: thousands of them would slow the server down. */
function noting(driver: Driver, used: Set<string>): Driver {
  const push = driver.push.bind(driver);
  const reserve = driver.reserve.bind(driver);
  driver.push = (jobs, options) => {
    for (const { queue } of jobs) used.add(queue);
    return push(jobs, options);
  };
  driver.reserve = (request) => {
    for (const queue of request.queues) used.add(queue);
    return reserve(request);
  };
  return driver;
}

async function removeAll(admin: ChannelModel, names: Names, used: ReadonlySet<string>): Promise<void> {
  const channel = await admin.createChannel();
  for (const queue of used) {
    await channel.deleteQueue(names.live(queue));
    await channel.deleteQueue(names.failed(queue));
    if (used.size > 10) continue;
    for (let level = 0; level < LEVELS; level += 1) await channel.deleteQueue(names.level(queue, level));
  }
  for (let level = 0; level < LEVELS; level += 1) await channel.deleteExchange(names.ladder(level));
  await channel.deleteQueue(names.registry);
  await channel.close();
}
