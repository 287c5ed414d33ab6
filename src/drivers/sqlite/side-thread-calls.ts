/** What the side thread does, on a connection of its own. */
export type SideCall = Readonly<
  { kind: "checkpoint" } | { kind: "count"; queue: number | undefined } | { kind: "close" }
>;
export type SideRequest = Readonly<{ id: number; call: SideCall }>;
export type SideAnswer = Readonly<{ id: number; value?: unknown; error?: string }>;
