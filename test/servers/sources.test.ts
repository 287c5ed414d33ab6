/** Where a server's programs come from: the PATH, the cache, an installation, Docker, else the words of what to install. With stubs instead of programs. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { locate } from "../../scripts/servers/locate.ts";
import type { Installer, Located, Needs } from "../../scripts/servers/locate.ts";
import { serverKinds } from "../../scripts/servers/registry.ts";
import type { ServerName } from "../../scripts/servers/registry.ts";
import type { ServerKind } from "../../scripts/servers/server.ts";
import { findServer } from "../../scripts/servers/start-server.ts";

const KINDS: Readonly<Record<ServerName, ServerKind>> = serverKinds;
const NAMES = Object.keys(serverKinds) as readonly ServerName[];

let folder = "";
let cache = "";

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "jobferry-sources-")));
  cache = join(folder, "cache");
  vi.stubEnv("JOBFERRY_SERVERS_CACHE", cache);
  vi.stubEnv("JOBFERRY_INSTALL", "never");
  setPath("bin");
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

/** Nothing else is on it. */
function setPath(...folders: readonly string[]): void {
  vi.stubEnv("PATH", folders.map((name) => join(folder, name)).join(delimiter));
}

/** A program that says its version, or does what `script` says. */
function stub(path: string, version = "", script = `echo "the program ${version}.1"`): string {
  const place = join(folder, path);
  mkdirSync(dirname(place), { recursive: true });
  writeFileSync(place, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return place;
}

/** Everything of a kind that these tests can make. `others`: what lies beside the program. */
type Source = Readonly<{ name: ServerName; program: string; others?: readonly string[]; fits?: string; not?: string }>;

const ON_PATH: readonly Source[] = [
  { name: "redis", program: "redis-server" },
  { name: "valkey", program: "valkey-server" },
  { name: "postgres", program: "postgres", others: ["initdb"] },
  { name: "postgres-12", program: "postgres", others: ["initdb"], fits: "12.22", not: "15.3" },
  { name: "postgres-18", program: "postgres", others: ["initdb"], fits: "18.4", not: "12.22" },
  { name: "etcd", program: "etcd", fits: "3.6", not: "3.5" },
  { name: "etcd-3.4", program: "etcd", others: ["etcdctl"], fits: "3.4", not: "3.6" },
  { name: "consul", program: "consul", fits: "1.15", not: "1.8" },
];

const IN_CACHE: Readonly<Partial<Record<ServerName, string>>> = {
  valkey: "valkey/root/usr/bin/valkey-server",
  "postgres-12": "postgres-12/package/native/bin/postgres",
  "postgres-18": "postgres-18/package/native/bin/postgres",
  etcd: "etcd/v3.6.16/etcd",
  consul: "consul/consul",
  "rabbitmq-4": "rabbitmq-4/root/usr/lib/rabbitmq/lib/rabbitmq_server-4.0.5/sbin/rabbitmq-server",
};

function inCache(name: ServerName): string | undefined {
  const path = IN_CACHE[name];
  if (path === undefined) return undefined;
  if (name.startsWith("postgres")) stub(join("cache", dirname(path), "initdb"));
  if (name.startsWith("rabbitmq")) stub(join("cache", name, "root/usr/bin/epmd"));
  return stub(join("cache", path));
}

async function programs(name: ServerName): Promise<readonly string[]> {
  const found = await findServer(name);
  return found === "docker" ? [found] : Object.values(found);
}

describe("the PATH comes first", () => {
  it.each(ON_PATH)("$name", async ({ name, program, others = [], fits, not }) => {
    const cached = inCache(name);
    setPath("old", "bin");
    if (not !== undefined) for (const one of [program, ...others]) stub(join("old", one), not);
    const before = await findServer(name).then(
      (found) => JSON.stringify(found),
      () => "nowhere",
    );
    expect(before, "one of another version").not.toContain(join(folder, "old"));
    if (cached !== undefined) expect(before).toContain(cached);
    const path = stub(join("bin", program), fits);
    for (const one of others) stub(join("bin", one));
    expect(await programs(name)).toContain(path);
  });

  it("of RabbitMQ the release itself, never a script around it, and of the version that is asked for", async () => {
    const cached = inCache("rabbitmq-4");
    setPath("bin", "rabbitmq_server-3.13.7/sbin", "rabbitmq_server-4.1.0/sbin");
    stub("bin/epmd");
    const wrapper = stub("lib/rabbitmq-script-wrapper");
    symlinkSync(wrapper, join(folder, "bin/rabbitmq-server"));
    expect(await programs("rabbitmq-4")).toContain(cached);
    const [older, newer] = ["3.13.7", "4.1.0"].map((version) =>
      stub(`rabbitmq_server-${version}/sbin/rabbitmq-server`),
    );
    expect(await programs("rabbitmq")).toContain(older);
    expect(await programs("rabbitmq-4")).toContain(newer);
  });
});

it("ZooKeeper is Java of the PATH with what the cache holds", async () => {
  const java = stub("bin/java");
  for (const jar of ["zookeeper-3.9.5.jar", "commons-cli-1.5.0.jar"]) stub(`cache/zookeeper/jars/${jar}`);
  for (const name of ["zookeeper", "zookeeper-cluster"] as const)
    expect(await findServer(name)).toMatchObject({ java, classpath: join(cache, "zookeeper/jars/*") });
});

describe("an installation comes after the cache", () => {
  const words = "Install it.";
  let installed = 0;
  const found = (): Located | undefined => (installed > 0 ? { it: "there" } : undefined);
  const installer = (changes: Partial<Installer> = {}): Installer => ({
    isPossible: () => true,
    install: async () => void (installed += 1),
    ...changes,
  });
  const needs = (...installers: readonly Installer[]): Needs => ({ find: found, installers, words });

  beforeEach(() => {
    installed = 0;
    vi.stubEnv("JOBFERRY_INSTALL", undefined);
  });

  it("once, and not where it is there already", async () => {
    expect(await Promise.all([locate("it", needs(installer())), locate("it", needs(installer()))])).toEqual([
      { it: "there" },
      { it: "there" },
    ]);
    expect(installed).toBe(1);
    await locate("it", needs(installer()));
    expect(installed).toBe(1);
  });

  it("by the first installer that can work here; why one failed is told behind the words", async () => {
    const broken = installer({ install: () => Promise.reject(new Error("no network")) });
    const failed = locate("it", needs(installer({ isPossible: () => false }), broken));
    await expect(failed).rejects.toThrow(`it is not on this machine. ${words}\nno network`);
    expect(await locate("it", needs(broken, installer()))).toEqual({ it: "there" });
  });

  it("never where JOBFERRY_INSTALL says so", async () => {
    vi.stubEnv("JOBFERRY_INSTALL", "never");
    await expect(locate("it", needs(installer()))).rejects.toThrow(`it is not on this machine. ${words}`);
    expect(installed).toBe(0);
  });
});

/** Of these nothing lies at a place that every machine shares, such as /usr/lib. */
const MOVABLE = ["redis", "redis-cluster", "redis-sentinel", "valkey", "etcd", "etcd-cluster"] as const;

describe("Docker comes last", () => {
  it("only for what nothing else has, and where its daemon answers", async () => {
    stub("bin/docker");
    expect(await findServer("redis")).toBe("docker");
    expect(await findServer("consul")).toBe("docker");
    const server = stub("bin/redis-server");
    expect(await programs("redis")).toEqual([server]);
    stub("bin/docker", "", "exit 1");
    await expect(findServer("consul")).rejects.toThrow(KINDS.consul.needs.words);
  });

  it("a kind without a container is not looked for there", async () => {
    stub("bin/docker");
    await expect(findServer("redis-cluster")).rejects.toThrow(KINDS["redis-cluster"].needs.words);
  });
});

describe("where nothing is there the words say what to install", () => {
  it.each(MOVABLE)("%s, really", async (name) => {
    const message = `${name} is not on this machine. ${KINDS[name].needs.words}`;
    await expect(findServer(name)).rejects.toMatchObject({ name: "ServerUnavailable", message });
  });

  it.each(NAMES)("%s", async (name) => {
    const { needs } = KINDS[name];
    const nowhere = locate(name, { ...needs, find: () => undefined });
    await expect(nowhere).rejects.toMatchObject({ message: `${name} is not on this machine. ${needs.words}` });
    expect(needs.words).toMatch(/^Install .+\.$/);
  });
});
