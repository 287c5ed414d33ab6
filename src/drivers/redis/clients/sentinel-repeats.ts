type Run = (node: object) => Promise<unknown>;
export type Sentinel = Readonly<{
  sendCommand(readonly: boolean, args: readonly (string | Buffer)[], options: object): Promise<unknown>;
  /** Of the library's own use: `sendCommand` goes through it. `run` is called for each time that the command is sent. */
  _execute?(readonly: boolean, run: Run): Promise<unknown>;
}>;

/**
 * The client for one command. One that was handed in says nothing of the loss of its connection and sends again what was under way; so the sendings are
 * counted. A release in which they cannot be is used as it is.
 */
export function tellingRepeats(client: Sentinel, repeated: () => void): Sentinel {
  if (client._execute === undefined) return client;
  let isSent = false;
  const counted =
    (run: Run): Run =>
    (node) => {
      if (isSent) repeated();
      isSent = true;
      return run(node);
    };
  const telling = Object.create(client) as Sentinel;
  return Object.assign(telling, {
    _execute: (readonly: boolean, run: Run) => client._execute?.(readonly, counted(run)),
  });
}
