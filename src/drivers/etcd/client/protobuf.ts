/** The part of protobuf that etcd's messages need: varints, and fields that hold bytes, texts or other messages. */

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;
const FIRST_SIZE = 256;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * Writes one message into one buffer, from its end to its beginning: so the length of what is nested is known when it has to be written, without
 * a second pass or a buffer for each part. Whoever uses it writes the last field first, repeated ones too.
 */
export class MessageWriter {
  #buffer: Uint8Array;
  #at: number;

  /** `size`: a guess of the whole, which saves copies. */
  constructor(size: number = FIRST_SIZE) {
    this.#buffer = new Uint8Array(size);
    this.#at = size;
  }

  integer(field: number, value: bigint | number | boolean): void {
    this.#varint(BigInt.asUintN(64, BigInt(value)));
    this.#tag(field, VARINT);
  }

  bytes(field: number, value: Uint8Array): void {
    this.#reserve(value.length);
    this.#at -= value.length;
    this.#buffer.set(value, this.#at);
    this.#count(value.length);
    this.#tag(field, BYTES);
  }

  text(field: number, value: string): void {
    this.bytes(field, encoder.encode(value));
  }

  message(field: number, write: () => void): void {
    const end = this.length;
    write();
    this.#count(this.length - end);
    this.#tag(field, BYTES);
  }

  get length(): number {
    return this.#buffer.length - this.#at;
  }

  /** The message behind the five bytes that gRPC puts before each: not compressed, and its length. */
  framed(): Uint8Array {
    const { length } = this;
    this.#reserve(5);
    this.#at -= 5;
    new DataView(this.#buffer.buffer).setUint32(this.#at + 1, length);
    this.#buffer[this.#at] = 0;
    return this.#buffer.subarray(this.#at);
  }

  #tag(field: number, kind: number): void {
    this.#count(field * 8 + kind);
  }

  /** A varint of a number that is surely small: a tag or a length. */
  #count(value: number): void {
    let size = 1;
    for (let rest = value >>> 7; rest > 0; rest >>>= 7) size += 1;
    this.#reserve(size);
    this.#at -= size;
    for (let index = 0; index < size; index += 1)
      this.#buffer[this.#at + index] = ((value >>> (7 * index)) & 0x7f) | (index < size - 1 ? 0x80 : 0);
  }

  #varint(value: bigint): void {
    let size = 1;
    for (let rest = value >> 7n; rest > 0n; rest >>= 7n) size += 1;
    this.#reserve(size);
    this.#at -= size;
    for (let index = 0; index < size; index += 1)
      this.#buffer[this.#at + index] = Number((value >> BigInt(7 * index)) & 0x7fn) | (index < size - 1 ? 0x80 : 0);
  }

  #reserve(size: number): void {
    if (this.#at >= size) return;
    const { length } = this;
    const larger = new Uint8Array(2 * (this.#buffer.length + size));
    larger.set(this.#buffer.subarray(this.#at), larger.length - length);
    this.#buffer = larger;
    this.#at = larger.length - length;
  }
}

/** What a field holds: `integer` for a varint, `bytes` for the rest. The other one is empty. */
export type Field = Readonly<{ number: number; integer: bigint; bytes: Uint8Array }>;

const NOTHING = new Uint8Array();

/**
 * The fields of a message in their order. Their bytes are parts of `message`, not copies.
 * @throws DamagedMessage
 */
export function* fieldsOf(message: Uint8Array): Generator<Field, void, undefined> {
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = message[at];
      if (byte === undefined) throw new DamagedMessage();
      at += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new DamagedMessage();
  };
  const take = (length: number): Uint8Array => {
    if (at + length > message.length) throw new DamagedMessage();
    at += length;
    return message.subarray(at - length, at);
  };
  while (at < message.length) {
    const tag = Number(varint());
    const number = tag >>> 3;
    switch (tag & 7) {
      case VARINT:
        yield { number, integer: varint(), bytes: NOTHING };
        break;
      case BYTES:
        yield { number, integer: 0n, bytes: take(Number(varint())) };
        break;
      case FIXED64:
        take(8);
        break;
      case FIXED32:
        take(4);
        break;
      default:
        throw new DamagedMessage();
    }
  }
}

export class DamagedMessage extends Error {
  override readonly name = "DamagedMessage";

  constructor() {
    super("what came is no message of protobuf");
  }
}

export const textOf = (bytes: Uint8Array): string => decoder.decode(bytes);
