/** A node of the tests: joins the cluster of the first argument and tells its parent in messages. Its clock is the machine's. */
import { DatabaseSync } from "node:sqlite";
import { watchStalls } from "../../stalls/watch-stalls.ts";
import { clusterIn, type Place } from "./place.ts";

const [, , place = "", file = "", nodeId = "", part = "leads", ttl = "1000", keep = "60000", cursor = ""] =
  process.argv;
const electionTimeout = Number(ttl);
const now = (): number => Number(process.hrtime.bigint()) / 1e6;
const tell = (message: object): void => void process.send?.({ nodeId, at: now(), ...message });

const times = { electionTimeout, heartbeatInterval: electionTimeout / 5 };
const cluster = clusterIn(JSON.parse(place) as Place, { nodeId, ...times, keepMessages: Number(keep) });
cluster.on("error", ({ error }) => tell({ kind: "error", code: error.code }));
cluster.on("lost", () => tell({ kind: "lost" }));
cluster.on("rejoined", () => tell({ kind: "rejoined" }));

cluster.on("joined", ({ node }) => tell({ kind: "saw join", node: node.id }));
cluster.on("left", ({ node }) => tell({ kind: "saw leave", node: node.id }));

const stallsTold = await watchStalls(({ from: since, until }) => tell({ kind: "stalled", since, until }));

const register = new DatabaseSync(file, { timeout: 5_000 });
register.exec("PRAGMA synchronous = OFF");

/** A resource that checks tokens: it refuses one that is lower than the highest it has seen. */
function write(token: bigint): boolean {
  register.exec("BEGIN IMMEDIATE");
  const { changes } = register.prepare("UPDATE register SET token = ?1 WHERE id = 1 AND token <= ?1").run(token);
  if (Number(changes) === 1) register.prepare("INSERT INTO log (token, node) VALUES (?, ?)").run(token, nodeId);
  register.exec("COMMIT");
  return Number(changes) === 1;
}

/** Stands for election and writes for as long as it believes that it leads. */
async function leads(): Promise<void> {
  const election = await cluster.elect();
  tell({ kind: "stands" });
  let term = 0n;
  election.on("elected", (leadership) => {
    term = leadership.term;
    tell({ kind: "elected", term: String(term) });
  });
  election.on("deposed", ({ reason }) => tell({ kind: "deposed", code: reason.code, isLeader: election.isLeader }));
  if (election.leadership !== undefined) {
    term = election.leadership.term;
    tell({ kind: "elected", term: String(term) });
  }
  setInterval(() => {
    // What a naive program does after a pause: it goes on with the term it had.
    if (term > 0n) tell({ kind: "wrote", accepted: write(term), believed: election.isLeader });
  }, 20);
}

/** Takes one lock again and again and writes under it. */
async function locks(): Promise<void> {
  for (;;) {
    const lock = await cluster.lock("register");
    tell({ kind: "locked", token: String(lock.token) });
    for (let n = 0; n < 3 && lock.held; n += 1) {
      tell({ kind: "wrote", accepted: write(lock.token), believed: lock.held });
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await lock.release();
  }
}

/** Stands in the line for one lock, and keeps it until the process is killed. */
async function holds(): Promise<void> {
  const lock = await cluster.lock("register");
  tell({ kind: "locked", token: String(lock.token) });
  setInterval(() => tell({ kind: "wrote", accepted: write(lock.token), believed: lock.held }), 50);
}

/** Hears a topic, and remembers where it was: a message that it heard twice tells it. */
async function hears(): Promise<void> {
  await cluster.subscribe(
    "news",
    ({ number, from, data }) => tell({ kind: "heard", number: String(number), from, data }),
    {
      ...(cursor === "" ? {} : { from: BigInt(cursor) }),
      onGap: ({ after, upTo }) => tell({ kind: "gap", after: String(after), upTo: String(upTo) }),
    },
  );
  tell({ kind: "listens" });
}

/** What comes behind that message: the next one, or that it is gone. */
async function looksBehind(from: bigint): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<"gap" | "message">();
  const onGap = (): void => resolve("gap");
  const subscription = await cluster.subscribe("news", () => resolve("message"), { from, onGap });
  tell({ kind: "behind", found: await promise });
  await subscription.close();
}

process.on("message", (message) => {
  if (typeof message === "object" && message !== null && "broadcast" in message)
    cluster.broadcast("news", message.broadcast).then(
      () => tell({ kind: "sent", data: message.broadcast }),
      (error: unknown) => tell({ kind: "not sent", code: String(error) }),
    );
  if (typeof message === "object" && message !== null && "behind" in message)
    void looksBehind(BigInt(String(message.behind)));
  // Between two turns: a process that is stopped inside a write of SQLite keeps the file's lock, and everybody waits for it.
  if (message === "look") void stallsTold().then(() => tell({ kind: "looked" }));
  if (message === "freeze") process.kill(process.pid, "SIGSTOP");
  if (message !== "stop") return;
  tell({ kind: "stopping" });
  void cluster.stop().then(async () => {
    await stallsTold();
    tell({ kind: "stopped" });
    process.disconnect();
    process.exit(0);
  });
});

try {
  await cluster.start();
} catch (error) {
  tell({ kind: "not started", code: String(error) });
  throw error;
}
tell({ kind: "joined" });
await { leads, locks, holds, hears }[part as "leads" | "locks" | "holds" | "hears"]();
