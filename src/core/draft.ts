import type { Texts } from "../contract/index.ts";
import type { Envelope } from "./envelope.ts";

/** What a queue needs of a job to send it. */
export type Draft = Readonly<{
  id: string | undefined;
  sequence: number | undefined;
  queue: string;
  name: string;
  priority: number;
  tags: Texts;
  delayMs: number;
  runAt: number | undefined;
  maxLosses: number | undefined;
  createdAt: number;
  payload: unknown;
  /** undefined for a plain job. */
  fields: Omit<Envelope, "kind"> | undefined;
}>;
