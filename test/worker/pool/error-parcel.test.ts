import { describe, expect, it } from "vitest";
import {
  isJobferryError,
  isPermanent,
  JobferryError,
  LeaseLostError,
  PermanentError,
} from "../../../src/errors/index.ts";
import { packError, unpackError } from "../../../src/worker/pool/error-parcel.ts";

const cross = (thrown: unknown): unknown => unpackError(structuredClone(packError(thrown)));

describe("an error that crossed a border", () => {
  it.each([1, "text", null, undefined, true, 5n])("is %s again when it was", (value) => {
    expect(cross(value)).toBe(value);
  });

  it("keeps class, name, message, stack, cause and simple properties", () => {
    const thrown = Object.assign(new RangeError("far", { cause: new Error("near") }), {
      code: "E_FAR",
      status: 503,
      response: { body: "not simple" },
      callback: () => 1,
    });
    const error = cross(thrown) as RangeError;
    expect(error).toBeInstanceOf(RangeError);
    expect(error.stack).toBe(thrown.stack);
    expect(Object.entries(error)).toEqual(Object.entries({ code: "E_FAR", status: 503 }));
    expect(error.cause).toMatchObject({ message: "near" });
    class OwnError extends Error {
      override name = "OwnError";
    }
    expect(cross(new OwnError("mine"))).toMatchObject({ name: "OwnError", message: "mine" });
  });

  it("keeps what Jobferry reads of it", () => {
    const away = cross(new JobferryError("UNAVAILABLE", "away", { retryable: true, cause: "why" }));
    expect(isJobferryError(away, "UNAVAILABLE") && away.retryable && away.cause).toBe("why");
    expect(cross(new LeaseLostError("gone"))).toBeInstanceOf(LeaseLostError);
    const permanent = cross(PermanentError.from(new TypeError("never")));
    expect(isPermanent(permanent) && permanent.cause).toBeInstanceOf(TypeError);
  });

  it("is bounded: its message, its stack, its causes and a chain that ends in itself", () => {
    const loop = new Error("x".repeat(1e6));
    loop.cause = loop;
    Object.assign(loop, Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`f${i}`, "y".repeat(900)])));
    expect(JSON.stringify(packError(loop)).length).toBeLessThan(250_000);
  });

  it.each([
    [
      "a proxy that throws",
      new Proxy(
        {},
        {
          get: () => {
            throw new Error("no");
          },
          getPrototypeOf: () => {
            throw new Error("no");
          },
        },
      ),
    ],
    [
      "a getter that throws",
      {
        get cause(): unknown {
          throw new Error("no");
        },
        message: "kept",
      },
    ],
    ["a symbol", Symbol("s")],
    ["a function", () => 1],
    ["an object without prototype", Object.create(null)],
  ])("never throws on its way: %s", (_what, thrown) => {
    expect(cross(thrown)).toBeInstanceOf(Error);
  });
});
