/**
 * Starts the run's shared servers, each when the first test file asks for it. It lives in the main process of the run; the
 * files, in processes and threads of their own, ask over HTTP on loopback, at the address in JOBFERRY_SERVERS.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { closeGuardian } from "../../scripts/servers/guarded.ts";
import { isServerName } from "../../scripts/servers/registry.ts";
import type { ServerName } from "../../scripts/servers/registry.ts";
import { HOST } from "../../scripts/servers/server.ts";
import type { ServerAddress } from "../../scripts/servers/server.ts";
import { findServer, startServer } from "../../scripts/servers/start-server.ts";
import { isLeftOut } from "./policy.ts";

/** What the report of a run says of a server. */
export type ServerRow = Readonly<{ name: string; ran: boolean; what: string }>;

export type Answer =
  /** A server is being built, which takes minutes: ask again. */
  | Readonly<{ later: true }>
  | Readonly<{ address: ServerAddress }>
  | Readonly<{ available: true }>
  | Readonly<{ reason: string }>;

/** Below the time that `fetch` waits for an answer. */
const ANSWER_WITHIN = 60_000;

export type Broker = Readonly<{ url: string; close: () => Promise<void> }>;

export async function startBroker(reportFile: string, answerWithin: number = ANSWER_WITHIN): Promise<Broker> {
  const rows = new Map<string, ServerRow>();
  const shared = new Map<ServerName, Promise<Answer>>();
  const available = new Map<ServerName, Promise<Answer>>();

  const http = createServer((request, response) => void handle(request, response));
  await new Promise<void>((resolve) => http.listen(0, HOST, resolve));
  http.unref();
  return { url: `http://${HOST}:${(http.address() as AddressInfo).port}`, close };

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, question, name = ""] = (request.url ?? "").split("/");
    const answer = isServerName(name) ? await soon(reply(question, name)) : { reason: `there is no server ${name}` };
    response.setHeader("connection", "close");
    response.end(JSON.stringify(answer));
  }

  async function soon(answer: Promise<Answer>): Promise<Answer> {
    const answered = new AbortController();
    const late = delay<Answer>(answerWithin, { later: true }, { signal: answered.signal, ref: false });
    late.catch(() => undefined);
    try {
      return await Promise.race([answer, late]);
    } finally {
      answered.abort();
    }
  }

  function reply(question: string | undefined, name: ServerName): Promise<Answer> {
    return question === "shared" ? once(shared, name, share) : once(available, name, look);
  }

  async function share(name: ServerName): Promise<Answer> {
    const begin = performance.now();
    const server = await startServer(name);
    note(name, true, `${server.version}, shared, up in ${Math.round(performance.now() - begin)} ms`);
    const { nodes: _nodes, ...address } = server;
    return { address };
  }

  async function look(name: ServerName): Promise<Answer> {
    await findServer(name);
    note(name, true, "private instances");
    return { available: true };
  }

  async function once(
    answers: Map<ServerName, Promise<Answer>>,
    name: ServerName,
    find: (name: ServerName) => Promise<Answer>,
  ): Promise<Answer> {
    let answer = answers.get(name);
    if (!answer) {
      answer = isLeftOut(name) ? Promise.resolve({ reason: "left out by --only" }) : find(name);
      answers.set(name, answer);
    }
    const found = await answer.catch((error: unknown) => ({ reason: (error as Error).message }));
    if ("reason" in found) note(name, false, found.reason);
    return found;
  }

  /** A shared server says more than a private one, and a failure more than both. */
  function note(name: string, ran: boolean, what: string): void {
    const before = rows.get(name);
    if (!before || !ran || (before.ran && before.what.startsWith("private"))) rows.set(name, { name, ran, what });
  }

  async function close(): Promise<void> {
    await new Promise<void>((resolve) => void http.close(() => resolve()));
    mkdirSync("test-results", { recursive: true });
    writeFileSync(reportFile, JSON.stringify([...rows.values()], undefined, 2));
    await closeGuardian();
  }
}
