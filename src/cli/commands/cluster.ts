import { type Command, Option } from "commander";
import {
  type ClusterNode,
  type ClusterObserver,
  JobferryError,
  type LineState,
  type ObservedPlan,
} from "../../entry/index.ts";
import type { Cli } from "../cli.ts";
import { CliError } from "../cli-error.ts";
import { withCluster } from "../cluster-connection.ts";
import { EXIT } from "../exit-codes.ts";
import { parseJson } from "../import/job-line.ts";
import { table } from "../tables.ts";
import { relative, rfc3339 } from "../times.ts";

export function addCluster(program: Command, cli: Cli): void {
  const group = program.command("cluster").description("look at the nodes of a cluster, and send them messages");
  const add = (
    signature: string,
    description: string,
    act: (observer: ClusterObserver, args: readonly (string | undefined)[]) => Promise<void>,
  ): void => {
    group
      .command(signature)
      .description(description)
      .addOption(
        new Option("--cluster-name <name>", "the cluster's name in its store")
          .env("JOBFERRY_CLUSTER")
          .default("jobferry"),
      )
      .action(async (...given: readonly unknown[]) => {
        const command = given.at(-1) as Command;
        await withCluster(cli, command, (observer) => act(observer, command.args));
      });
  };
  add("nodes", "the nodes that live, and which of them leads", (observer) => showNodes(cli, observer));
  add("leader", "the leader and its term; exit code 4 while there is none", (observer) => showLeader(cli, observer));
  add("locks", "who holds which lock, and who waits", (observer) => showLocks(cli, observer));
  add("plan", "the leader's plan of slots", (observer) => showPlan(cli, observer));
  add("broadcast <topic> [json]", "send a message to all who subscribed to the topic", (observer, [topic = "", json]) =>
    broadcast(cli, observer, topic, json),
  );
}

type Load = Readonly<{ slots?: unknown; queues?: unknown }>;

async function showNodes(cli: Cli, observer: ClusterObserver): Promise<void> {
  const [nodes, leader] = [await observer.nodes(), await observer.leader()];
  const isLeader = ({ id }: ClusterNode): boolean => id === leader?.nodeId;
  const data = nodes.map((node) => {
    const { id, startedAt, info, load } = node;
    return { id, isLeader: isLeader(node), startedAt: rfc3339(startedAt), info: info ?? null, load: load ?? null };
  });
  const now = Date.now();
  const row = (node: ClusterNode): readonly string[] => {
    const { slots, queues } = Object(node.load) as Load;
    const names = Array.isArray(queues) ? queues.map(String).join(", ") : "-";
    const role = isLeader(node) ? "leader" : "node";
    return [node.id, role, typeof slots === "number" ? String(slots) : "-", names, relative(node.startedAt, now)];
  };
  const columns = [
    ...[{ head: "NODE", max: 60 }, { head: "ROLE" }, { head: "SLOTS", align: "right" as const }],
    ...[{ head: "QUEUES" }, { head: "STARTED" }],
  ];
  cli.terminal.show(data, () => table(columns, nodes.map(row)));
  if (!cli.terminal.json && nodes.length === 0) cli.terminal.note("No node lives in this cluster.");
}

async function showLeader(cli: Cli, observer: ClusterObserver): Promise<void> {
  const leader = await observer.leader();
  if (leader === undefined) throw none("There is no leader now.");
  const { nodeId, term } = leader;
  cli.terminal.show({ nodeId, term: String(term) }, () => `${nodeId}, term ${term}`);
}

async function showLocks(cli: Cli, observer: ClusterObserver): Promise<void> {
  const locks = await observer.locks();
  const data = locks.map(({ name, holder, waiting }) => ({
    ...{ name, holder: holder.nodeId, token: String(holder.token), waiting },
  }));
  const row = ({ name, holder, waiting }: LineState): readonly string[] => [
    ...[name, holder.nodeId, String(holder.token)],
    waiting.length === 0 ? "-" : `${waiting.length}: ${waiting.join(", ")}`,
  ];
  const columns = [{ head: "LOCK", max: 60 }, { head: "HOLDER" }, { head: "TOKEN" }, { head: "WAITING" }];
  cli.terminal.show(data, () => table(columns, locks.map(row)));
  if (!cli.terminal.json && locks.length === 0) cli.terminal.note("Nobody holds a lock.");
}

async function showPlan(cli: Cli, observer: ClusterObserver): Promise<void> {
  const plan = await observer.plan();
  if (plan === undefined) throw none("No leader has made a plan. Nodes work by their own options.");
  const { term, number, validForMs, isCurrent, slots } = plan;
  cli.terminal.show({ term: String(term), number, validForMs, isCurrent, slots }, () => planTable(plan));
  if (!cli.terminal.json && !isCurrent)
    cli.terminal.note("Its leader leads no more: nodes drop it when its time is over, and work by their own options.");
}

function planTable({ slots }: ObservedPlan): string {
  const queues = [...new Set(Object.values(slots).flatMap((node) => Object.keys(node)))].toSorted();
  const columns = [{ head: "NODE", max: 60 }, ...queues.map((head) => ({ head, align: "right" as const }))];
  const rows = Object.entries(slots).map(([node, given]) => [
    node,
    ...queues.map((queue) => String(given[queue] ?? 0)),
  ]);
  return table(columns, rows);
}

async function broadcast(cli: Cli, observer: ClusterObserver, topic: string, json: string | undefined): Promise<void> {
  const number = await observer.broadcast(topic, json === undefined ? null : parseMessage(json));
  cli.terminal.show({ topic, number: String(number) }, () => String(number));
}

function parseMessage(json: string): unknown {
  try {
    return parseJson(json);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new JobferryError(
      "INPUT_INVALID",
      `The message is ${reason} A text needs quotes inside those of the shell: '"text"'.`,
    );
  }
}

function none(message: string): CliError {
  return new CliError("NOT_FOUND", EXIT.notFound, message);
}
