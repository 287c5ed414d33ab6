/** What a script's argument or a key can be. Text is sent as UTF-8. */
export type Argument = string | Uint8Array;

/** How long a server that took a connection may stay silent before it has greeted. */
export const GREETING_MS = 5_000;

/** One way to the server, over either client library. Replies come as bytes, numbers, null and arrays of these. */
export interface RedisConnection {
  /** `key`: one that the command touches, by which a cluster client finds the node. */
  send(args: readonly Argument[], key: string): Promise<unknown>;
  /** Another connection with the same settings, opened. It is ours to close, and it is closed with this one while it opens. */
  duplicate(purpose: "blocking" | "durable"): Promise<RedisConnection>;
  /** Messages of a channel, for as long as this connection is open; after a loss they come again by themselves. Only on a duplicate: it can send nothing else any more. */
  subscribe(channel: string, told: (message: string) => void): Promise<void>;
  /** Rises when the connection was lost: what was sent before may have been sent again by the client. */
  readonly losses: number;
  /** Rises with each answer: a connection on which it stands still is perhaps only half there. */
  readonly answers: number;
  /** The newest error that the client told, for messages. */
  readonly lastError: unknown;
  readonly kind: "single" | "sentinel" | "cluster";
  /** Waits until commands can be sent. Rejects with why they cannot. */
  ready(): Promise<void>;
  /** Who serves this key now. undefined: nobody is known. */
  node(key: string): Promise<RedisNode | undefined>;
  /** Gives up a connection of ours that does not answer and makes a new one: what was under way fails. One of the user's is left alone. */
  renew(): void;
  /** Ends the connection at once where it is ours; where it is the user's, only lets go of it. */
  close(): void;
}

/** One server of a group, for a command that must follow a write on the write's own connection. */
export type RedisNode = Readonly<{
  /** The same object as long as it is the same connection. */
  identity: object;
  send(args: readonly Argument[]): Promise<unknown>;
}>;
