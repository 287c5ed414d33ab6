import type { Texts } from "../../contract/index.ts";
import type { OutcomeData } from "../outcome.ts";
import type { ErrorParcel } from "./error-parcel.ts";

/** A job on its way to a child: what a store keeps of it, byte for byte, so that the handler sees there what it would see here. */
export type JobParcel = Readonly<{
  id: string;
  queue: string;
  name: string;
  priority: number;
  tags: Texts;
  envelope: Uint8Array;
  payload: Uint8Array;
  attempts: number;
  losses: number;
  exceptions: number;
  createdAt: number;
  availableAt: number;
  reservedAt: number | undefined;
}>;

/** What a parent tells a child. One message carries all notes of a turn, in order. `n` numbers attempts, `call` numbers requests. */
export type ToChild =
  | Readonly<{ kind: "load"; module: string; parentPid: number }>
  | Readonly<{ kind: "run"; n: number; job: JobParcel }>
  | Readonly<{ kind: "abort"; n: number; reason: ErrorParcel }>
  | Readonly<{ kind: "extended"; call: number; error: ErrorParcel | undefined }>
  | Readonly<{ kind: "end" }>;

/** What a child tells its parent. `names` undefined: its handler takes every name. */
export type FromChild =
  | Readonly<{ kind: "loaded"; names: readonly string[] | undefined }>
  | Readonly<{ kind: "notLoaded"; error: ErrorParcel }>
  | Readonly<{ kind: "returned"; n: number; value: unknown }>
  /** It returned what cannot be cloned. */
  | Readonly<{ kind: "uncloned"; n: number; why: string }>
  | Readonly<{ kind: "outcome"; n: number; outcome: OutcomeData }>
  | Readonly<{ kind: "threw"; n: number; error: ErrorParcel }>
  | Readonly<{ kind: "extend"; n: number; call: number; leaseMs: number }>
  | Readonly<{ kind: "dying"; error: ErrorParcel }>;
