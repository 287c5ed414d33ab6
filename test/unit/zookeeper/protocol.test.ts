// What a server could send, whole, in pieces, or wrong.
import { expect, test } from "vitest";
import { Frames } from "../../../src/drivers/zookeeper/client/frames.ts";
import { JuteReader, JuteWriter } from "../../../src/drivers/zookeeper/client/jute.ts";

const frame = (body: Buffer): Buffer => new JuteWriter().bytes(body).finish();

test("values come back as they were written", () => {
  const text = "ä€😀";
  const bytes = Buffer.alloc(70_000, 7);
  const written = new JuteWriter(1)
    .int(-2)
    .long(-(2n ** 62n))
    .bool(true)
    .text(text)
    .bytes(bytes)
    .int(5)
    .finish();
  const reader = new JuteReader(written);
  expect([reader.int(), reader.long(), reader.bool(), reader.text()]).toEqual([-2, -(2n ** 62n), true, text]);
  expect(reader.bytes().equals(bytes)).toBe(true);
  expect(reader.int()).toBe(5);
  expect(() => reader.int()).toThrow(RangeError);
});

test("a length of -1 is nothing, one beyond the end is an error", () => {
  expect(new JuteReader(new JuteWriter().int(-1).finish()).bytes()).toHaveLength(0);
  expect(() => new JuteReader(Buffer.from([0, 0, 0, 9, 1])).bytes()).toThrow(RangeError);
});

test("frames are found however they arrive", () => {
  const bodies = [Buffer.alloc(37, 1), Buffer.alloc(0), Buffer.alloc(100_000, 2), Buffer.from([3])];
  const stream = Buffer.concat(bodies.map(frame));
  for (const size of [1, 7, 65_536, stream.length]) {
    const frames = new Frames();
    const found: Buffer[] = [];
    for (let at = 0; at < stream.length; at += size) found.push(...frames.push(stream.subarray(at, at + size)));
    expect(found.map((one) => one.length)).toEqual(bodies.map((one) => one.length));
    expect(Buffer.concat(found).equals(Buffer.concat(bodies))).toBe(true);
  }
});

test.each([
  ["HTTP", "HTTP/1.1 400 Bad Request\r\n", "foreign"],
  ["Redis", "-ERR unknown command\r\n", "foreign"],
  ["RabbitMQ", "AMQP\u0000\u0000\u0009\u0001", "foreign"],
  ["TLS", "\u0015\u0003\u0003\u0000\u0002\u0002\u0046", "tlsWanted"],
])("an answer of %s is told apart", (_, answer, kind) => {
  let thrown: unknown;
  try {
    new Frames().push(Buffer.from(answer, "latin1"));
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toMatchObject({ kind });
});

test("a large frame is taken behind the greeting, not instead of it; one beyond all bounds never", () => {
  const large = frame(Buffer.alloc(5_000));
  expect(() => new Frames().push(large)).toThrow("does not speak");
  const frames = new Frames();
  expect(frames.push(frame(Buffer.alloc(37)))).toHaveLength(1);
  expect(frames.push(large)).toHaveLength(1);
  expect(() => frames.push(Buffer.from([0x7f, 0xff, 0xff, 0xff]))).toThrow("does not speak");
});
