import { describe, expect, test } from "vitest";
import { parseAddress } from "../../../src/drivers/consul/client/address.ts";
import { durationMs } from "../../../src/drivers/consul/client/sessions.ts";
import { resolveOptions } from "../../../src/drivers/consul/options.ts";

const SECRET = "s3cr3t-word";

describe("the address of Consul", () => {
  test.each([
    ["localhost", [["localhost", 8500]], undefined, "consul://localhost:8500"],
    ["10.0.0.7:8501", [["10.0.0.7", 8501]], undefined, "consul://10.0.0.7:8501"],
    ["consul://a", [["a", 8500]], false, "consul://a:8500"],
    ["consuls://a", [["a", 8501]], true, "consuls://a:8501"],
    ["http://a:1/", [["a", 1]], false, "consul://a:1"],
    ["https://a:1", [["a", 1]], true, "consuls://a:1"],
    ["CONSUL://[::1]:9", [["::1", 9]], false, "consul://[::1]:9"],
    [
      "consul://a,b:2 , c",
      [
        ["a", 8500],
        ["b", 2],
        ["c", 8500],
      ],
      false,
      "consul://a:8500,b:2,c:8500",
    ],
  ] as const)("%s", (text, endpoints, tls, shown) => {
    const address = parseAddress(text);
    expect(address.endpoints.map(({ host, port }) => [host, port])).toEqual(endpoints);
    expect([address.tls, address.token, address.shown]).toEqual([tls, undefined, shown]);
  });

  test("a token stands before the host and is not shown", () => {
    const { token, shown } = parseAddress(`consul://:${SECRET}%2F1@a`);
    expect([token, shown]).toEqual([`${SECRET}/1`, "consul://a:8500"]);
  });

  test.each([
    ["", /host or port/],
    ["redis://a", /scheme that is not Consul's/],
    ["consul://", /host or port/],
    [`consul://${SECRET}@a`, /behind a colon/],
    [`consul://:${SECRET}%@a`, /% that encodes nothing/],
    [`consul://a:${SECRET}`, /host or port/],
    [`consul://a/${SECRET}`, /has a path, .* prefix of its keys is an option/],
    [`a:0`, /host or port/],
    [`a,,b`, /host or port/],
    [`consul://a?token=${SECRET}`, /has a query/],
  ])("%s is refused, and nothing of it is shown", (text, message) => {
    const parse = (): unknown => parseAddress(text);
    expect(parse).toThrow(message);
    expect(parse).not.toThrow(SECRET);
  });
});

describe("options of Consul", () => {
  const resolve = (options: object): unknown => resolveOptions({ address: "a", ...options });

  test("several addresses, and TLS without a scheme", () => {
    const { address, tls } = resolveOptions({ address: ["a", "b:1"], tls: { ca: "PEM" } });
    expect(address.shown).toBe("consuls://a:8501,b:1");
    expect(tls).toEqual({ ca: "PEM" });
    expect(resolveOptions({ address: "consuls://a" }).tls).toEqual({});
    expect(resolveOptions({ address: "consul://a" }).tls).toBeUndefined();
  });

  test.each([
    [{ adress: "a" }, /Did you mean "address"/],
    [{ address: [] }, /empty array/],
    [{ address: 7 }, /is no text/],
    [{ address: ["consul://a", "consuls://b"] }, /same scheme and token/],
    [{ address: "consul://a", tls: {} }, /consuls:\/\//],
    [{ tls: { cert: SECRET } }, /belong together/],
    [{ tls: SECRET }, /tls must be an object/],
    [{ tls: { certificate: SECRET } }, /tls has no option "certificate"/],
    [{ token: `${SECRET} x` }, /without white space/],
    [{ address: `consul://:${SECRET}@a`, token: SECRET }, /Give one of them/],
    [{ prefix: "/a" }, /prefix/],
    [{ prefix: "a+b" }, /prefix/],
    [{ callTimeout: 0 }, /callTimeout/],
  ])("%o", (options, message) => {
    expect(() => resolve(options)).toThrow(message);
    expect(() => resolve(options)).not.toThrow(SECRET);
  });
});

test.each([
  ["1s", 1_000],
  ["1500ms", 1_500],
  ["1m30s", 90_000],
  ["24h0m0s", 86_400_000],
  ["1.5s", 1_500],
  ["", undefined],
  ["10", undefined],
  ["s", undefined],
])("a duration of Go: %s", (text, milliseconds) => expect(durationMs(text)).toBe(milliseconds));
