/**
 * Hosts of their own for the servers of a group, so that the lines between them can be cut while clients reach all: network namespaces of Linux, with a line between
 * each two of them and one from each to here. They are gone some time after the processes in them, which ends with the last connection that the kernel gives up; the
 * lines to here are taken away. They need root, util-linux and iproute2.
 */
import { randomInt } from "node:crypto";
import { connect, createServer, type Server, type Socket } from "node:net";
import { guardian } from "./guarded.ts";
import type { Launch } from "./guardian-messages.ts";
import { runProgram } from "./run-program.ts";
import { HOST } from "./server.ts";
import { serverFolder, startProcess, type ServerProcess } from "./server-process.ts";

/** The addresses that are set apart for tests of networks (RFC 2544). */
const NETWORK = "198.18";
const NETWORKS = 256;
/** Nobody's: what is sent to it is thrown away, and nobody is told. */
const NO_CARD = "02:00:00:00:00:01";
const READY = "held";

type Launched = Omit<Launch, "log">;

/** Whether this process may make them. */
export async function canHaveHosts(): Promise<boolean> {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return false;
  const tried = runProgram("unshare", ["--net", "ip", "link", "add", "probe", "type", "veth", "peer", "name", "other"]);
  return tried.then(
    () => true,
    () => false,
  );
}

/** `network`: the one that is tried first. */
export async function startHosts(count: number, network: number = randomInt(NETWORKS)): Promise<Hosts> {
  const numbers = Array.from({ length: count }, (_, index) => index);
  const holders = await Promise.all(numbers.map(holder));
  const hosts = new Hosts(holders, network);
  try {
    await hosts.lay();
    return hosts;
  } catch (error) {
    await hosts[Symbol.asyncDispose]();
    throw error;
  }
}

/** A process whose only duty is that the namespace is there as long as it lives. */
async function holder(index: number): Promise<ServerProcess> {
  const name = `host-${index + 1}`;
  return startProcess({
    ...{ name, port: 0, folder: await serverFolder(name), stopSignal: "SIGKILL" },
    launch: { command: "unshare", args: ["--net", "sh", "-c", `echo ${READY} && exec sleep infinity`] },
    isReady: async (output) => output.includes(READY),
  });
}

export class Hosts implements AsyncDisposable {
  readonly #holders: readonly ServerProcess[];
  #network: number;
  readonly #name = `jf${randomInt(16 ** 6).toString(16)}`;
  readonly #relays: Server[] = [];
  readonly #relayed = new Set<Socket>();

  constructor(holders: readonly ServerProcess[], network: number) {
    this.#holders = holders;
    this.#network = network;
  }

  address(index: number): string {
    return `${NETWORK}.${this.#network}.${index + 1}`;
  }

  /** The same program, on that host. */
  launch(index: number, { command, args, ...rest }: Launched): Launched {
    return { ...rest, command: "nsenter", args: [...this.#inside(index), command, ...args] };
  }

  /** What listens on that port of the host is found under the same port of 127.0.0.1, where the tests look for servers. */
  async relay(index: number, port: number): Promise<void> {
    const relay = createServer((client) => {
      const server = connect(port, this.address(index));
      for (const [socket, other] of [
        [client, server],
        [server, client],
      ] as const) {
        this.#relayed.add(socket);
        socket.pipe(other);
        socket.once("error", () => other.destroy());
        socket.once("close", () => {
          this.#relayed.delete(socket);
          other.destroy();
        });
      }
    });
    this.#relays.push(relay);
    await new Promise<void>((resolve, reject) => {
      relay.once("error", reject);
      relay.listen(port, HOST, resolve);
    });
  }

  /** From now on no packet passes between that host and the other ones, and nobody is told. */
  async cut(index: number): Promise<void> {
    await this.#eachLine(index, (at, address, line) =>
      this.#ip(at, "neigh", "replace", address, "lladdr", NO_CARD, "dev", line, "nud", "permanent"),
    );
  }

  async heal(index: number): Promise<void> {
    await this.#eachLine(index, (at, address, line) => this.#ip(at, "neigh", "del", address, "dev", line));
  }

  /** Both directions of each of its lines. */
  async #eachLine(index: number, act: (at: number, address: string, line: string) => Promise<unknown>): Promise<void> {
    const others = [...this.#holders.keys()].filter((other) => other !== index);
    await Promise.all(
      others.flatMap((other) => [
        act(index, this.address(other), `to-${other}`),
        act(other, this.address(index), `to-${index}`),
      ]),
    );
  }

  async lay(): Promise<void> {
    for (const index of this.#holders.keys()) await this.#lineHome(index);
    await this.#takeNetwork();
    for (const index of this.#holders.keys()) {
      await this.#ip(index, "link", "set", "lo", "up");
      await this.#layHome(index);
      for (const other of this.#holders.keys()) if (other < index) await this.#layBetween(index, other);
    }
  }

  /** Between the host and here. */
  async #lineHome(index: number): Promise<void> {
    const here = this.#home(index);
    (await guardian()).atEnd("ip", ["link", "del", here]);
    await runProgram("ip", [
      ...["link", "add", here, "type", "veth"],
      ...["peer", "name", "home", "netns", this.#pid(index)],
    ]);
  }

  /**
   * Two with the same addresses would find each other's servers. Each looks when its address is there already, so of two that come at once one sees the other at
   * the least, and goes on to another network.
   */
  async #takeNetwork(): Promise<void> {
    for (let left = NETWORKS; ; left -= 1) {
      const address = [`${this.#here()}/32`, "dev", this.#home(0)];
      await runProgram("ip", ["addr", "add", ...address]);
      const holders = (await runProgram("ip", ["-o", "-4", "addr", "show", "to", `${this.#here()}/32`])).trim();
      if (!holders.includes("\n")) return;
      await runProgram("ip", ["addr", "del", ...address]);
      if (left <= 1) throw new Error(`All networks of ${NETWORK}.0.0/16 are taken by tests that run.`);
      this.#network = (this.#network + 1 + randomInt(NETWORKS - 1)) % NETWORKS;
    }
  }

  async #layHome(index: number): Promise<void> {
    const [home, host, here] = [this.#here(), this.address(index), this.#home(index)];
    await runProgram("ip", ["addr", "add", home, "peer", host, "dev", here]);
    await runProgram("ip", ["link", "set", here, "up"]);
    await this.#join(index, "home", home);
  }

  /** Of this side. */
  #here(): string {
    return `${NETWORK}.${this.#network}.254`;
  }

  async #layBetween(index: number, other: number): Promise<void> {
    const [line, back] = [`to-${other}`, `to-${index}`];
    await this.#ip(
      ...([index, "link", "add", line, "type", "veth", "peer", "name", back] as const),
      ...["netns", this.#pid(other)],
    );
    await this.#join(index, line, this.address(other));
    await this.#join(other, back, this.address(index));
  }

  async #join(index: number, line: string, address: string): Promise<void> {
    await this.#ip(index, "addr", "add", this.address(index), "peer", address, "dev", line);
    await this.#ip(index, "link", "set", line, "up");
  }

  async #ip(index: number, ...words: readonly string[]): Promise<void> {
    await runProgram("nsenter", [...this.#inside(index), "ip", ...words]);
  }

  #inside(index: number): readonly string[] {
    return ["--net", "--target", this.#pid(index)];
  }

  #pid(index: number): string {
    const pid = this.#holders[index]?.pid;
    if (pid === undefined) throw new Error(`The test host ${index + 1} is not there.`);
    return String(pid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#relayed) socket.destroy();
    await Promise.all(this.#relays.map((relay) => new Promise((resolve) => relay.close(resolve))));
    await Promise.all(this.#holders.map((host) => host.remove()));
    const homes = this.#holders.map((_, index) => this.#home(index));
    await Promise.allSettled(homes.map((home) => runProgram("ip", ["link", "del", home])));
  }

  #home(index: number): string {
    return `${this.#name}-${index}`;
  }
}

/** Where a server of a group runs: on a host of its own, or here. */
export const hostOf = (hosts: Hosts | undefined, index: number): string => hosts?.address(index) ?? HOST;

export const launchOn = (hosts: Hosts | undefined, index: number, launch: Launched): Launched =>
  hosts?.launch(index, launch) ?? launch;

/** Makes ports of a host's servers known here, before anybody asks whether they are ready. */
export async function relayTo(hosts: Hosts | undefined, index: number, ports: readonly number[]): Promise<void> {
  if (hosts !== undefined) for (const port of ports) await hosts.relay(index, port);
}
