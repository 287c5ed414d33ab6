import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { readEnvironment } from "./environment.ts";
import { type NodeRow, startNode } from "./node.ts";

export type FleetEvents = Readonly<{
  elected(nodeId: string, term: string): void;
  note(text: string): void;
}>;

/** How a node ended: of a SIGKILL nobody in the cluster is told. */
export type Ending = "killed" | "stopped";

export type Fleet = Readonly<{
  /** The newest of each node; of those that ended the last. */
  rows: ReadonlyMap<string, NodeRow>;
  endings: ReadonlyMap<string, Ending>;
  start(nodeId: string): Promise<void>;
  /** As hard as it can be. */
  end(nodeId: string): Promise<Readonly<{ ending: Ending; what: string }>>;
  stop(): Promise<void>;
}>;

const MAIN = fileURLToPath(new URL("main.ts", import.meta.url));

type Message = Readonly<{ kind: string; row?: NodeRow; term?: string; message?: string }>;

/** Nodes as processes of their own. */
export function processes(env: Readonly<Record<string, string>>, events: FleetEvents): Fleet {
  const rows = new Map<string, NodeRow>();
  const endings = new Map<string, Ending>();
  const children = new Map<string, ChildProcess>();
  const exited = async (child: ChildProcess): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  };

  async function start(nodeId: string): Promise<void> {
    const execArgv = ["--disable-warning=ExperimentalWarning"];
    const child = fork(MAIN, { execArgv, env: { ...process.env, ...env, NODE_ID: nodeId }, stdio: "inherit" });
    children.set(nodeId, child);
    const joined = new Promise<void>((resolve, reject) => {
      child.on("message", (message: Message) => {
        if (message.kind === "started") resolve();
        else if (message.kind === "elected") events.elected(nodeId, message.term ?? "");
        else if (message.kind === "error") events.note(`${nodeId}: ${message.message}`);
        else if (message.row !== undefined) rows.set(nodeId, message.row);
      });
      child.once("exit", (code, signal) => {
        reject(new Error(`${nodeId} ended (${signal ?? code}) before it had joined.`));
        if (!endings.has(nodeId)) events.note(`${nodeId} ended by itself (${signal ?? code}).`);
      });
    });
    await joined;
  }

  async function end(nodeId: string): Promise<Readonly<{ ending: Ending; what: string }>> {
    const child = children.get(nodeId);
    endings.set(nodeId, "killed");
    child?.kill("SIGKILL");
    return { ending: "killed", what: `Killed ${nodeId} (process ${child?.pid}) with SIGKILL.` };
  }

  async function stop(): Promise<void> {
    for (const [nodeId, child] of children) {
      if (endings.has(nodeId)) continue;
      endings.set(nodeId, "stopped");
      if (child.connected) child.send("stop");
    }
    const all = Promise.all([...children.values()].map(exited));
    const late = setTimeout(() => {
      for (const child of children.values()) child.kill("SIGKILL");
    }, 30_000);
    await all;
    clearTimeout(late);
  }

  return { rows, endings, start, end, stop };
}

/** Nodes inside this process, for a cluster in memory. None of them can be killed: it is stopped. */
export function inProcess(env: Readonly<Record<string, string>>, events: FleetEvents): Fleet {
  const rows = new Map<string, NodeRow>();
  const endings = new Map<string, Ending>();
  const nodes = new Map<string, Awaited<ReturnType<typeof startNode>>>();
  const look = setInterval(() => {
    for (const [nodeId, node] of nodes) {
      if (endings.has(nodeId)) continue;
      node.row().then(
        (row) => rows.set(nodeId, row),
        () => undefined,
      );
    }
  }, 100);

  async function start(nodeId: string): Promise<void> {
    const settings = readEnvironment({ ...process.env, ...env, NODE_ID: nodeId });
    const node = await startNode(settings, {
      elected: (term) => events.elected(nodeId, String(term)),
      error: (message) => events.note(`${nodeId}: ${message}`),
    });
    nodes.set(nodeId, node);
    rows.set(nodeId, await node.row());
  }

  async function end(nodeId: string): Promise<Readonly<{ ending: Ending; what: string }>> {
    endings.set(nodeId, "stopped");
    void nodes.get(nodeId)?.stop();
    return { ending: "stopped", what: `Stopped ${nodeId}: a node inside this process cannot be killed.` };
  }

  async function stop(): Promise<void> {
    clearInterval(look);
    for (const nodeId of nodes.keys()) if (!endings.has(nodeId)) endings.set(nodeId, "stopped");
    await Promise.all([...nodes.values()].map((node) => node.stop()));
  }

  return { rows, endings, start, end, stop };
}
