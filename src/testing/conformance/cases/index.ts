import type { CaseGroup } from "../case.ts";
import { clear, pausing } from "./control.ts";
import { delays } from "./delays.ts";
import { envelope } from "./envelope.ts";
import { fields } from "./fields.ts";
import { finish } from "./finish.ts";
import { leases } from "./leases.ts";
import { lifecycle } from "./lifecycle.ts";
import { order } from "./order.ts";
import { processes } from "./processes.ts";
import { push } from "./push.ts";
import { records } from "./records.ts";
import { reserve } from "./reserve.ts";
import { stats } from "./stats.ts";

export const caseGroups: readonly CaseGroup[] = [
  lifecycle,
  push,
  fields,
  envelope,
  reserve,
  order,
  finish,
  leases,
  delays,
  clear,
  pausing,
  stats,
  processes,
  records,
];
