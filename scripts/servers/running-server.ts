import { HOST } from "./server.ts";
import type { RunningServer, ServerAddress } from "./server.ts";
import type { ServerProcess } from "./server-process.ts";

type Description = Omit<ServerAddress, "host" | "port" | "endpoints"> &
  Partial<Pick<ServerAddress, "port" | "endpoints">>;

type Further = Readonly<{
  /** For what has to hold beyond each of the processes, after a restart too. */
  waitUntilReady?: () => Promise<void>;
  /** Processes that run until it is removed, whatever happens to it. */
  companions?: readonly ServerProcess[];
}>;

/** One server out of its processes, the first of which gives the port. */
export function runningServer(
  description: Description,
  processes: readonly ServerProcess[],
  { waitUntilReady, companions = [] }: Further = {},
): RunningServer {
  const { ca, ...rest } = description;
  const all = (act: (node: ServerProcess) => Promise<void>) => async (): Promise<void> => {
    await Promise.all(processes.map(act));
  };
  const remove = async (): Promise<void> => {
    await Promise.all([...processes, ...companions].map((node) => node.remove()));
  };
  return {
    host: HOST,
    port: processes[0]?.port ?? 0,
    endpoints: {},
    ...rest,
    ...(ca === undefined ? {} : { ca }),
    nodes: processes,
    stop: all((node) => node.stop()),
    kill: all((node) => node.kill()),
    pause: all((node) => node.pause()),
    resume: all((node) => node.resume()),
    restart: async () => {
      await all((node) => node.restart())();
      await waitUntilReady?.();
    },
    remove,
    [Symbol.asyncDispose]: remove,
  };
}
