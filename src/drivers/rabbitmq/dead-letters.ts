import type { Clock, DeadLetters } from "../../contract/index.ts";
import { JobferryError } from "../../errors/index.ts";
import type { Connection } from "./connection.ts";
import type { Parcel } from "./message.ts";
import type { Names } from "./names.ts";
import type { Posting } from "./posting.ts";
import { pull } from "./pulling.ts";
import type { Session } from "./session.ts";
import { countOf, purge } from "./statistics.ts";
import type { Topology } from "./topology.ts";

const BATCH = 200;
const NEVER = new AbortController().signal;

type Parts = Readonly<{
  clock: Clock;
  names: Names;
  topology: Topology;
  control: () => Promise<Connection>;
  session: () => Session;
}>;

/** Failed jobs in the server's own queues: the oldest can be brought back, all removed, none looked up. */
export function deadLetters(parts: () => Parts): DeadLetters {
  return {
    retry: async ({ queue, max }) => {
      let left = max;
      for (const name of await queuesOf(parts(), queue)) left -= await retryOne(parts(), name, left);
      return max - left;
    },
    flush: async (queue) => {
      const { names, control } = parts();
      let removed = 0;
      for (const name of await queuesOf(parts(), queue)) removed += await purge(await control(), names.failed(name));
      return removed;
    },
  };
}

async function queuesOf({ topology, control }: Parts, queue: string | undefined): Promise<readonly string[]> {
  return queue === undefined ? topology.queues(await control()) : [queue];
}

/** By full pulls of what is there: copied, confirmed, then acknowledged. */
async function retryOne({ clock, names, control, session }: Parts, queue: string, max: number): Promise<number> {
  const connection = await control();
  // One session to the end: what it has taken can only be ended on its own channel.
  const current = session();
  const now = clock.now();
  let done = 0;
  while (done < max) {
    const there = Math.min(BATCH, max - done, await countOf(connection, names.failed(queue)));
    if (there === 0) break;
    const draw = await pull(current, clock, queue, names.failed(queue), there, NEVER);
    const { taken } = draw;
    if (taken.length === 0) break;
    const moved = await current.moveOrReturn(taken, (parcel) => again(parcel, now));
    done += moved.length;
    if (moved.length < taken.length)
      throw new JobferryError("UNAVAILABLE", `RabbitMQ took ${done} of the failed jobs back. Try again.`, {
        retryable: true,
      });
  }
  return done;
}

function again(parcel: Parcel, now: number): Posting {
  const counts = { attempts: 0, losses: 0, exceptions: 0, failure: undefined, finishedAt: undefined };
  return { parcel: { ...parcel, fields: { ...parcel.fields, ...counts, availableAt: now } }, to: "jobs", delayMs: 0 };
}
