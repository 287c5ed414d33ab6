import { createHash } from "node:crypto";
import { CLAIM } from "./scripts/claim.ts";
import { CLEAR, OPEN, PAUSE, PREPARE, STATS } from "./scripts/control.ts";
import { DONE } from "./scripts/done.ts";
import { EXTEND } from "./scripts/extend.ts";
import { FINISH } from "./scripts/finish.ts";
import { MAINTAIN } from "./scripts/maintain.ts";
import { PRELUDE } from "./scripts/prelude.ts";
import { PRUNE } from "./scripts/prune.ts";
import { PUSH, PUSH_ONE } from "./scripts/push.ts";
import { CHANGE, GET, LIST } from "./scripts/records.ts";

/** A script with the name under which the server keeps it. */
export type Script = Readonly<{ text: string; sha: string }>;

export function script(body: string, prelude: string = PRELUDE): Script {
  const text = prelude + body;
  return { text, sha: createHash("sha1").update(text).digest("hex") };
}

type Name =
  | "push"
  | "pushOne"
  | "claim"
  | "done"
  | "finish"
  | "extend"
  | "maintain"
  | "prune"
  | "get"
  | "list"
  | "change"
  | "pause"
  | "clear"
  | "stats"
  | "open"
  | "prepare";

export const scripts: Readonly<Record<Name, Script>> = {
  push: script(PUSH),
  pushOne: script(PUSH_ONE, ""),
  claim: script(CLAIM),
  done: script(DONE),
  finish: script(FINISH),
  extend: script(EXTEND),
  maintain: script(MAINTAIN),
  prune: script(PRUNE),
  get: script(GET),
  list: script(LIST),
  change: script(CHANGE),
  pause: script(PAUSE),
  clear: script(CLEAR),
  stats: script(STATS),
  open: script(OPEN),
  prepare: script(PREPARE),
};
