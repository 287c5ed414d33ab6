import type { PushResult } from "../contract/index.ts";
import { isJobferryError, JobferryError } from "../errors/index.ts";
import type { QueuedItem } from "./queued-item.ts";

type Way = Readonly<{
  send: (chunk: readonly QueuedItem[]) => Promise<readonly PushResult[]>;
  errorOf: (result: PushResult | undefined) => JobferryError | undefined;
}>;

/**
 * One chunk of a queue after the other, so that the batch keeps its order and waits for room like everybody else. Resolves to why jobs were not
 * confirmed. A chunk that the store did not take in all the time of a push is the last that is sent: each of the others would take as long.
 */
export async function sendInChunks(
  items: readonly QueuedItem[],
  limits: Readonly<{ maxItems: number; maxBytes: number }>,
  way: Way,
): Promise<ReadonlyMap<QueuedItem, unknown>> {
  const chunks = chunked(items, limits);
  const failures = new Map<QueuedItem, unknown>();
  for (const [n, chunk] of chunks.entries()) {
    const away = await sendChunk(chunk, failures, way);
    if (away === undefined) continue;
    for (const item of chunks.slice(n + 1).flat()) failures.set(item, away.error);
    break;
  }
  return failures;
}

/** What those that are not sent any more are told; undefined when the store is there. */
async function sendChunk(
  chunk: readonly QueuedItem[],
  failures: Map<QueuedItem, unknown>,
  { send, errorOf }: Way,
): Promise<Readonly<{ error: unknown }> | undefined> {
  let away: Readonly<{ error: unknown }> | undefined;
  try {
    const answers = await send(chunk);
    for (const [i, item] of chunk.entries()) {
      const error = errorOf(answers[i]);
      if (error === undefined) continue;
      failures.set(item, error);
      if (error.retryable) away ??= { error: notSent(error) };
    }
  } catch (error) {
    for (const item of chunk) failures.set(item, error);
    away = { error: notSent(error) };
  }
  return away;
}

/** For jobs of a batch whose turn did not come. A signal's reason stays what it is. */
function notSent(cause: unknown): unknown {
  if (!isJobferryError(cause)) return cause;
  const { code, message, retryable } = cause;
  const text = `The job was not sent, because the store did not take those before it: ${message}`;
  return new JobferryError(code, text, { cause, retryable });
}

function chunked(
  items: readonly QueuedItem[],
  limits: Readonly<{ maxItems: number; maxBytes: number }>,
): readonly (readonly QueuedItem[])[] {
  const chunks: QueuedItem[][] = [];
  const open = new Map<string, { chunk: QueuedItem[]; bytes: number }>();
  for (const item of items) {
    const last = open.get(item.queue);
    const { weight } = item;
    if (last !== undefined && last.chunk.length < limits.maxItems && last.bytes + weight <= limits.maxBytes) {
      last.chunk.push(item);
      last.bytes += weight;
    } else {
      const chunk = [item];
      chunks.push(chunk);
      open.set(item.queue, { chunk, bytes: weight });
    }
  }
  return chunks;
}
