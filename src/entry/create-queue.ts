import { Queue, type QueueOptions } from "../core/index.ts";
import { memoryDriver } from "../drivers/memory/memory-driver.ts";
import { JobferryError } from "../errors/index.ts";
import { nearest } from "../runtime/index.ts";

const SCHEMES = ["memory", "sqlite", "amqp", "amqps"];

/**
 * An open queue for a URL: `memory:`, `sqlite:./jobs.db`, `amqp://user:password@host/vhost` (RabbitMQ).
 * @throws INVALID_ARGUMENT for an unknown scheme; what opening throws.
 */
export async function createQueue(url: string, options?: QueueOptions): Promise<Queue> {
  const [, scheme = "", rest = ""] = /^([a-z][a-z0-9+.-]*):(.*)$/is.exec(url) ?? [];
  switch (scheme.toLowerCase()) {
    case "memory":
      if (rest !== "") throw new JobferryError("INVALID_ARGUMENT", "A memory queue has no name or place. Use memory:");
      return opened(new Queue(memoryDriver(), options));
    case "sqlite": {
      const { sqliteQueue } = await import("./sqlite.ts");
      return opened(sqliteQueue(rest, options));
    }
    case "amqp":
    case "amqps": {
      const { rabbitmqQueue } = await import("./rabbitmq.ts");
      return rabbitmqQueue(url, options).open();
    }
    default:
      throw unknownScheme(scheme);
  }
}

/** Who never gets the queue cannot close it. */
async function opened(queue: Queue): Promise<Queue> {
  try {
    return await queue.open();
  } catch (error) {
    await queue.close().catch(() => undefined);
    throw error;
  }
}

/** Names the scheme only, and only where it is one: what stands around it may hold a password. */
function unknownScheme(scheme: string): JobferryError {
  const meant = nearest(scheme, SCHEMES);
  const hint = meant === undefined ? "" : ` Did you mean "${meant}:"?`;
  const what = scheme === "" ? "The URL has no scheme" : `The URL's scheme "${scheme.slice(0, 20)}:" is not known`;
  return new JobferryError("INVALID_ARGUMENT", `${what}.${hint} Known: memory:, sqlite:PATH, amqp://, amqps://.`);
}
