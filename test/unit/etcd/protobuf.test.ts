import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NotEtcd, TooLarge } from "../../../src/drivers/etcd/client/failures.ts";
import { Framing } from "../../../src/drivers/etcd/client/framing.ts";
import { DamagedMessage, fieldsOf, MessageWriter } from "../../../src/drivers/etcd/client/protobuf.ts";
import { rangeRequest, transactionRequest } from "../../../src/drivers/etcd/client/messages.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const body = (writer: MessageWriter): Uint8Array => writer.framed().slice(5);

describe("messages of protobuf", () => {
  it("writes the examples of its documentation", () => {
    const integer = new MessageWriter();
    integer.integer(1, 150);
    expect(hex(body(integer))).toBe("089601");
    const text = new MessageWriter();
    text.text(2, "testing");
    expect(hex(body(text))).toBe("120774657374696e67");
    const nested = new MessageWriter();
    nested.message(3, () => nested.integer(1, 150));
    expect(hex(body(nested))).toBe("1a03089601");
  });

  it("reads what it wrote: any integer of 64 bits and any bytes, from the last to the first, into a buffer that is too small", () => {
    const field = fc.tuple(
      fc.integer({ min: 1, max: 2_000 }),
      fc.oneof(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), fc.uint8Array({ maxLength: 400 })),
    );
    fc.assert(
      fc.property(fc.array(field, { maxLength: 20 }), (fields) => {
        const writer = new MessageWriter(1);
        for (const [number, value] of fields.toReversed()) {
          if (typeof value === "bigint") writer.integer(number, value);
          else writer.bytes(number, value);
        }
        const read = [...fieldsOf(body(writer))].map(({ number, integer, bytes }, index) => [
          number,
          typeof fields[index]?.[1] === "bigint" ? BigInt.asIntN(64, integer) : bytes.slice(),
        ]);
        expect(read).toEqual(fields);
      }),
    );
  });

  it("skips fixed fields, and refuses what is cut off or no message", () => {
    expect([...fieldsOf(Buffer.from("090102030405060708" + "1501020304" + "1801", "hex"))]).toMatchObject([
      { number: 3, integer: 1n },
    ]);
    for (const text of ["08", "12ff", "0a05616263", "0b", "08ffffffffffffffffffffff"])
      expect(() => [...fieldsOf(Buffer.from(text, "hex"))], text).toThrow(DamagedMessage);
  });

  it("writes a transaction by the numbers of etcd's rpc.proto", () => {
    const request = transactionRequest(
      [{ key: "k", modRevision: 5n }],
      [{ put: "k", value: Buffer.from("v") }, { delete: "d" }],
    );
    const compare = ["0a09", "0800", "1002", "1a016b", "3005"];
    const success = ["1208", "1206", "0a016b", "120176", "1205", "1a03", "0a0164"];
    expect(hex(request.subarray(5))).toBe([...compare, ...success].join(""));
  });

  it("asks for the keys behind one, inside of the prefix", () => {
    const [key, end] = [...fieldsOf(rangeRequest({ prefix: "a/b/", after: "a/b/c", limit: 2 }).subarray(5))];
    expect(Buffer.from(key?.bytes ?? "").toString()).toBe("a/b/c\0");
    expect(Buffer.from(end?.bytes ?? "").toString()).toBe("a/b0");
  });
});

describe("frames of gRPC", () => {
  const frame = (text: string): Buffer => {
    const head = Buffer.alloc(5);
    head.writeUInt32BE(text.length, 1);
    return Buffer.concat([head, Buffer.from(text)]);
  };

  it("come out whole, however they were cut", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ maxLength: 30, unit: "binary-ascii" })),
        fc.infiniteStream(fc.nat(9)),
        (texts, sizes) => {
          const bytes = Buffer.concat(texts.map(frame));
          const framing = new Framing(100);
          const found: string[] = [];
          for (let at = 0; at < bytes.length;) {
            const size = Number(sizes.next().value) + 1;
            for (const message of framing.messagesIn(bytes.subarray(at, at + size)))
              found.push(Buffer.from(message).toString());
            at += size;
          }
          expect(found).toEqual(texts);
        },
      ),
    );
  });

  it("are refused when they are too large, before their bytes came, or compressed", () => {
    expect(() => [...new Framing(10).messagesIn(frame("x".repeat(11)).subarray(0, 5))]).toThrow(TooLarge);
    expect(() => [...new Framing(10).messagesIn(Buffer.from([1, 0, 0, 0, 1, 0]))]).toThrow(NotEtcd);
  });
});
