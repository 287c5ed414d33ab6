import { sleep } from "../../runtime/index.ts";
import type { PostgresClient } from "./client.ts";
import type { Connections } from "./connections.ts";
import { AnswerLost } from "./errors.ts";

/**
 * Runs what may take longer than `callTimeout`: on a large table a migration does, and so does waiting for another process's. It is given up
 * when the server is twice found not to work on it any more: the connection is cut without a word, or the server hangs.
 */
export async function patiently(connections: Connections, client: PostgresClient, text: string): Promise<void> {
  const [row] = await connections.answer(client, { text: "SELECT pg_backend_pid()", rowMode: "array" });
  const done = new AbortController();
  const answer = client.query({ text } as never).finally(() => done.abort());
  // Who has no second connection cannot look.
  if (connections.most >= 2) await Promise.race([answer, abandoned(connections, Number(row?.[0]), done.signal)]);
  await answer;
}

/** Rejects when nobody works on it; resolves when `done` fires. */
async function abandoned(connections: Connections, pid: number, done: AbortSignal): Promise<void> {
  for (let idle = 0; idle < 2;) {
    if ((await sleep(connections.clock, connections.callMs, done)) === "aborted") return;
    idle = (await isAtWork(connections, pid)) ? 0 : idle + 1;
  }
  throw new AnswerLost("the server does not work on it any more");
}

async function isAtWork(connections: Connections, pid: number): Promise<boolean> {
  const text = "SELECT a.state = 'active' FROM pg_catalog.pg_stat_activity a WHERE a.pid = $1::integer";
  const [row] = await connections.query({ name: "jobferry_at_work", text }, [pid]).catch(() => []);
  return row?.[0] === "t";
}
