// Docker is not at hand here: the files of deploy/ are parsed, and what they name must be there.
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { composeFaults } from "./compose-keys.ts";
import { readEnvironment } from "../../demo/distributed/environment.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), "utf8");

type Fields = Readonly<Record<string, unknown>>;
const fields = (value: unknown): Fields => Object(value) as Fields;

function documents(path: string): readonly Fields[] {
  const found = parseAllDocuments(read(path), { merge: true, strict: true, uniqueKeys: true });
  if (!Array.isArray(found)) throw new Error(`${path} is empty`);
  for (const { errors, warnings } of found) expect([...errors, ...warnings], path).toEqual([]);
  return found.map((document) => fields(document.toJS()));
}

/** The variables that a node reads. */
function knownVariables(): ReadonlySet<string> {
  const asked = new Set<string>();
  const env = new Proxy({ CLUSTER_TYPE: "memory" } as NodeJS.ProcessEnv, {
    get: (target, name: string) => {
      asked.add(name);
      return target[name];
    },
  });
  readEnvironment(env);
  return asked;
}

/** Fails for a variable that no node reads, and for a value that it would refuse. */
function checkEnvironment(env: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(env)) {
    expect(knownVariables().has(name), `${name} is read by a node`).toBe(true);
    expect(typeof value, `${name} is text`).toBe("string");
  }
  readEnvironment(env as NodeJS.ProcessEnv);
}

const seconds = (text: unknown): number => Number(/^(\d+)s$/.exec(String(text))?.[1]);
/** A worker waits so long for its running jobs. */
const STOP_TIMEOUT_S = 25;

const composeFiles = globSync("deploy/compose.*.yaml", { cwd: root });

it("has a compose file for each store that processes can share", () => {
  expect(composeFiles.toSorted()).toEqual(
    ["redis", "postgres", "sqlite", "etcd", "consul", "zookeeper"]
      .map((one) => `deploy/compose.${one}.yaml`)
      .toSorted(),
  );
});

it.each([...composeFiles, "scripts/servers/compose.yaml"])("%s has nothing that docker compose refuses", (path) => {
  expect(documents(path).flatMap(composeFaults)).toEqual([]);
});

it("finds what docker compose refuses, wherever it stands", () => {
  const node = {
    ...{ stop_grace_time: "40s", stop_grace_period: "40", restart: "onfailure", "x-more": {} },
    build: { contxt: ".." },
    healthcheck: { test: ["CMD", "true"], intervall: "1s", timeout: "soon" },
    depends_on: { store: { condition: "healthy", require: true } },
  };
  const compose = { service: {}, "x-any": {}, services: { node, store: null }, volumes: { jobs: { drive: "local" } } };
  expect(composeFaults(compose)).toEqual([
    ".service is not known",
    ".services.node.stop_grace_time is not known",
    '.services.node.stop_grace_period is "40"',
    '.services.node.restart is "onfailure"',
    ".services.node.build.contxt is not known",
    ".services.node.healthcheck.intervall is not known",
    '.services.node.healthcheck.timeout is "soon"',
    '.services.node.depends_on.store.condition is "healthy"',
    ".services.node.depends_on.store.require is not known",
    ".volumes.jobs.drive is not known",
  ]);
});

describe.each(composeFiles)("%s", (path) => {
  const [compose = {}] = documents(path);
  const services = Object.entries(fields(compose["services"])).map(
    ([name, service]) => [name, fields(service)] as const,
  );
  const nodes = services.filter(([, service]) => service["image"] === "jobferry-demo");

  it("runs three nodes with ids of their own and the store's address", () => {
    const type = /compose\.(\w+)\./.exec(path)?.[1];
    const envs = nodes.map(([, service]) => fields(service["environment"]));
    for (const env of envs) checkEnvironment(env);
    expect(envs.map((env) => env["CLUSTER_TYPE"])).toEqual([type, type, type]);
    expect(new Set(envs.map((env) => env["NODE_ID"])).size).toBe(3);
    for (const [name, service] of nodes) expect(fields(service["environment"])["NODE_ID"]).toBe(name);
  });

  it("gives them time to stop, and names only what is there", () => {
    const named = new Set(Object.keys(fields(compose["volumes"])));
    for (const [name, service] of services) {
      for (const other of Object.keys(fields(service["depends_on"])))
        expect(services.map(([one]) => one)).toContain(other);
      for (const volume of (service["volumes"] ?? []) as readonly string[])
        expect(named).toContain(volume.split(":")[0]);
      for (const [other, how] of Object.entries(fields(service["depends_on"]))) {
        if (fields(how)["condition"] !== "service_healthy") continue;
        expect(fields(fields(compose["services"])[other])["healthcheck"], `${other} has a health check`).toBeDefined();
      }
      if (!nodes.some(([node]) => node === name)) continue;
      expect(seconds(service["stop_grace_period"])).toBeGreaterThan(STOP_TIMEOUT_S);
      const { context, dockerfile } = fields(service["build"]);
      expect(existsSync(join(root, dirname(path), String(context), String(dockerfile)))).toBe(true);
    }
  });
});

describe("deploy/kubernetes.yaml", () => {
  const all = documents("deploy/kubernetes.yaml");
  const of = (kind: string): Fields => {
    const found = all.find((one) => one["kind"] === kind);
    if (found === undefined) throw new Error(`there is no ${kind}`);
    return found;
  };
  const set = fields(of("StatefulSet")["spec"]);
  const pod = fields(fields(set["template"])["spec"]);
  const [container = {}] = pod["containers"] as readonly Fields[];

  it("has whole objects", () => {
    expect(all.map(({ apiVersion, kind }) => [apiVersion, kind].join(" "))).toEqual([
      "v1 ConfigMap",
      "v1 Service",
      "apps/v1 StatefulSet",
      "policy/v1 PodDisruptionBudget",
    ]);
    for (const { metadata } of all) expect(fields(metadata)["name"]).toBe("jobferry-demo");
  });

  it("selects the pods that it makes", () => {
    const { labels } = fields(fields(set["template"])["metadata"]);
    expect(fields(set["selector"])["matchLabels"]).toEqual(labels);
    expect(fields(of("Service")["spec"])["selector"]).toEqual(labels);
    expect(fields(fields(of("PodDisruptionBudget")["spec"])["selector"])["matchLabels"]).toEqual(labels);
    expect(set["serviceName"]).toBe(fields(of("Service")["metadata"])["name"]);
  });

  it("tells nodes what they read, and leaves them time to stop", () => {
    const variables = (container["env"] as readonly Readonly<{ name: string }>[]).map(({ name }) => name);
    expect(variables).toEqual(["NODE_ID", "REDIS_PASSWORD"]);
    const data = fields(of("ConfigMap")["data"]);
    checkEnvironment({ ...data, NODE_ID: "jobferry-demo-0", REDIS_PASSWORD: "secret" });
    const [source] = container["envFrom"] as readonly Fields[];
    expect(fields(source?.["configMapRef"])["name"]).toBe(fields(of("ConfigMap")["metadata"])["name"]);
    const { electionMs } = readEnvironment(data as NodeJS.ProcessEnv);
    expect(Number(pod["terminationGracePeriodSeconds"])).toBeGreaterThan(STOP_TIMEOUT_S + electionMs / 1_000);
  });
});

describe("deploy/Dockerfile", () => {
  const instructions = read("deploy/Dockerfile")
    .replaceAll(/\\\n/g, " ")
    .split("\n")
    .filter((line) => line.trim() !== "" && !line.startsWith("#"))
    .map((line) => /^([A-Z]+)\s+(.+)$/.exec(line)?.slice(1) ?? [line]);
  const of = (name: string): readonly string[] =>
    instructions.flatMap(([instruction, rest = ""]) => (instruction === name ? [rest] : []));

  it("has instructions that exist, and copies what is there", () => {
    for (const [name] of instructions) expect(["FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "CMD"]).toContain(name);
    const stages = of("FROM").flatMap((from) => / AS (\w+)$/.exec(from)?.slice(1) ?? []);
    for (const copy of of("COPY")) {
      const stage = /^--from=(\w+) /.exec(copy)?.[1];
      if (stage !== undefined) expect(stages).toContain(stage);
      else for (const path of copy.split(" ").slice(0, -1)) expect(existsSync(join(root, path)), path).toBe(true);
    }
  });

  it("runs the program as process 1 and not as root", () => {
    const command = JSON.parse(of("CMD").at(-1) ?? "") as readonly string[];
    expect(command[0]).toBe("node");
    expect(existsSync(join(root, command.at(-1) ?? ""))).toBe(true);
    expect(of("USER")).toEqual(["node"]);
  });

  it("has variables in its guide that a node reads", () => {
    const named = read("deploy/README.md").matchAll(/`([A-Z][A-Z_]+)`/g);
    expect(new Set([...named].map(([, name = ""]) => name))).toEqual(
      new Set([...knownVariables()].filter((name) => name !== "KEEP_COMPLETED")),
    );
  });
});
