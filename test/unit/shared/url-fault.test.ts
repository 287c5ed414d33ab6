// What is wrong with a URL is named, and nothing of the URL is repeated: it may hold a password.
import { createQueue, isJobferryError } from "jobferry";
import { describe, expect, it } from "vitest";

const SECRET = "s3cr3t";

async function told(url: string): Promise<string> {
  const error: unknown = await createQueue(url).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(isJobferryError(error, "INVALID_ARGUMENT")).toBe(true);
  const { message } = error as Error;
  expect(message).not.toContain(SECRET);
  return message;
}

describe.each(["etcd", "consul", "zookeeper", "redis"])("a %s:// URL that cannot be read", (scheme) => {
  it.each([
    [`h?password=${SECRET}`, /has a query \(\?\)/],
    [`h#${SECRET}`, /has a fragment \(#\)/],
    [`me:${SECRET}@x@h`, /more than one @: .* %40/],
    ["h:99999", /port/],
  ])("%s", async (rest, message) => {
    expect(await told(`${scheme}://${rest}`)).toMatch(message);
  });

  it("says how it is written", async () => {
    expect(await told(`${scheme}://h#x`)).toMatch(new RegExp(`Write it as .*${scheme}://`));
  });
});

it.each(["etcd", "consul"])("%s:// with a path", async (scheme) => {
  expect(await told(`${scheme}://h/${SECRET}`)).toMatch(/has a path, .* prefix of its keys is an option/);
});

it("no host, and what stands before the @ unencoded", async () => {
  expect(await told("etcd://")).toContain("names no host");
  expect(await told(`etcd://me:${SECRET}/x@h`)).toContain("has a /, ? or # before its @");
  expect(await told(`zookeeper://me:${SECRET}#x@h`)).toContain("has a /, ? or # before its @");
});
