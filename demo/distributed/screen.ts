import { cursorTo, clearScreenDown, moveCursor } from "node:readline";
import Table from "cli-table3";
import type { Fleet } from "./fleet.ts";

const DRAW_EVERY_MS = 150;
const LINE_EVERY_MS = 1_000;

/** Jobs done by each node, as the store has them. */
export type Proven = ReadonlyMap<string, number>;

/** `note` prints a line that stays; `draw` shows a terminal what the nodes told since; `end` the last table: what a killed node did last it could tell nobody, so it has the proven numbers. */
export type Screen = Readonly<{ note(text: string): void; draw(): void; end(proven?: Proven): void }>;

/** The nodes as a table that is drawn again and again on a terminal, a line each second elsewhere. */
export function showNodes(fleet: Fleet, jobs: number): Screen {
  return process.stdout.isTTY ? live(fleet, jobs) : lines(fleet, jobs);
}

function live(fleet: Fleet, jobs: number): Screen {
  let drawn = 0;
  const erase = (): void => {
    if (drawn > 0) moveCursor(process.stdout, 0, -drawn);
    cursorTo(process.stdout, 0);
    clearScreenDown(process.stdout);
    drawn = 0;
  };
  const draw = (): void => {
    const text = tableOf(fleet, jobs);
    erase();
    process.stdout.write(`${text}\n`);
    drawn = text.split("\n").length;
  };
  const timer = setInterval(draw, DRAW_EVERY_MS);
  return {
    note: (text) => {
      erase();
      process.stdout.write(`${text}\n`);
      draw();
    },
    draw,
    end: (proven) => {
      clearInterval(timer);
      if (drawn > 0) erase();
      if (proven !== undefined) console.log(tableOf(fleet, jobs, proven));
    },
  };
}

function lines(fleet: Fleet, jobs: number): Screen {
  const timer = setInterval(() => console.log(lineOf(fleet, jobs)), LINE_EVERY_MS);
  return {
    note: (text) => console.log(text),
    draw: () => undefined,
    end: (proven) => {
      clearInterval(timer);
      if (proven !== undefined) console.log(tableOf(fleet, jobs, proven));
    },
  };
}

function tableOf(fleet: Fleet, jobs: number, proven?: Proven): string {
  const right = "right" as const;
  const table = new Table({
    head: ["node", "role", "slots", "active", "done"],
    colAligns: ["left", "left", right, right, right],
    style: { head: [], border: [] },
  });
  for (const { nodeId, slots, active, done } of sorted(fleet)) {
    const isOver = proven !== undefined || fleet.endings.has(nodeId);
    table.push([nodeId, roleOf(fleet, nodeId), slots, isOver ? 0 : active, proven?.get(nodeId) ?? done]);
  }
  const sum = [...(proven?.values() ?? [doneBy(fleet)])].reduce((all, done) => all + done, 0);
  table.push(["all", `of ${jobs} jobs`, "", "", sum]);
  return table.toString();
}

function lineOf(fleet: Fleet, jobs: number): string {
  const nodes = sorted(fleet).map(({ nodeId, active, done }) => {
    const role = roleOf(fleet, nodeId);
    return `${nodeId} ${role === "node" ? "" : `(${role}) `}${role === "killed" ? "" : `${active} active, `}${done} done`;
  });
  return `${doneBy(fleet)}/${jobs} jobs | ${nodes.join(" | ")}`;
}

function roleOf(fleet: Fleet, nodeId: string): string {
  return fleet.endings.get(nodeId) ?? (fleet.rows.get(nodeId)?.isLeader === true ? "leader" : "node");
}

function sorted(fleet: Fleet) {
  return [...fleet.rows.values()].toSorted((a, b) => a.nodeId.localeCompare(b.nodeId, "en", { numeric: true }));
}

/** As the nodes tell it: what a killed one did last it could not tell. */
function doneBy(fleet: Fleet): number {
  return [...fleet.rows.values()].reduce((sum, { done }) => sum + done, 0);
}
