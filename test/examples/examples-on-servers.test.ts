import { afterAll, describe, expect, it } from "vitest";
import { type Place, postgresPlace, rabbitmqPlace, redisPlace } from "./example-places.ts";
import { printed, printedInAnyOrder, withoutTimes } from "./printed.ts";
import { inEmptyFolder, runFile, type Run } from "./run-example.ts";

const SLOW = 60_000;

/** Any backend. */
const anywhere = ["worker.ts", "batch.ts", "error-handling.ts", "timeouts.ts", "worker-pool.ts", "retries.ts"];
/** They need exact counts, single jobs, priorities or a pause for everybody: no broker. */
const inStores = [
  ...["job-attributes.ts", "email-job.ts", "statistics.ts", "pausing.ts", "failed-jobs.ts", "graceful-shutdown.ts"],
];

/** Two jobs, and which of them is the first to fail for good depends on how late a delay is. */
const sideBySide = ["error-handling.ts"];

const places: readonly (readonly [Place | undefined, readonly string[]])[] = [
  [await postgresPlace(), [...anywhere, ...inStores]],
  [await redisPlace(), [...anywhere, ...inStores]],
  [await rabbitmqPlace(), anywhere],
];

for (const [place, files] of places) {
  if (place === undefined) continue;
  afterAll(place.end);

  describe(`examples on ${place.title}`, () => {
    it.each(files)("%s", { timeout: SLOW }, async (file) => {
      const { code, stdout, stderr } = await run(place, `examples/${file}`);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      const lines = withoutTimes(stdout.trimEnd().split("\n"));
      const ordered = printed[file];
      const jumbled = sideBySide.includes(file) ? ordered : printedInAnyOrder[file];
      if (jumbled !== undefined) expect(lines.toSorted()).toEqual(jumbled.toSorted());
      else expect(lines).toEqual(ordered);
    });

    it("signup: a producer and a worker in processes of their own", { timeout: SLOW }, async () => {
      await place.withStore(async (url) => {
        const env = { JOBFERRY_URL: url };
        const producer = await runFile("examples/signup/producer.ts", ".", [], env);
        expect(producer).toEqual({ code: 0, stdout: "pushed 2\nrefused: PAYLOAD_INVALID\n", stderr: "" });
        const worker = await runFile("examples/signup/worker.ts", ".", [], env);
        const stdout = "ada@example.com joined on free\nbob@example.com joined on team\n";
        expect(worker).toEqual({ code: 0, stdout, stderr: "" });
      });
    });
  });
}

const [postgres] = places[0] ?? [];
if (postgres !== undefined) onPostgres(postgres);

function onPostgres(place: Place): void {
  it("transactional-push-postgres.ts", { timeout: SLOW }, async () => {
    const { code, stdout, stderr } = await run(place, "examples/transactional-push-postgres.ts");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout.trimEnd().split("\n")).toEqual(printed["transactional-push.ts"]);
  });
}

function run(place: Place, file: string): Promise<Run> {
  return place.withStore((url) => inEmptyFolder((folder) => runFile(file, folder, [], { JOBFERRY_URL: url })));
}
