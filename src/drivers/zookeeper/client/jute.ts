/** ZooKeeper's encoding: integers with the highest byte first, texts and bytes with their length before them (-1: none). */

const FIRST_BYTES = 256;
const NONE = Buffer.alloc(0);

export class JuteWriter {
  #buffer: Buffer;
  #length = 0;

  constructor(expectedBytes: number = FIRST_BYTES) {
    this.#buffer = Buffer.allocUnsafe(expectedBytes);
  }

  get length(): number {
    return this.#length;
  }

  int(value: number): this {
    this.#length = this.#room(4).writeInt32BE(value, this.#length);
    return this;
  }

  long(value: bigint): this {
    this.#length = this.#room(8).writeBigInt64BE(value, this.#length);
    return this;
  }

  bool(value: boolean): this {
    this.#length = this.#room(1).writeUInt8(value ? 1 : 0, this.#length);
    return this;
  }

  bytes(value: Uint8Array): this {
    this.int(value.length);
    this.#room(value.length).set(value, this.#length);
    this.#length += value.length;
    return this;
  }

  text(value: string): this {
    const bytes = Buffer.byteLength(value);
    this.int(bytes);
    this.#length += this.#room(bytes).write(value, this.#length);
    return this;
  }

  /** Of the place where it was left free, with `int(0)`. */
  patchInt(at: number, value: number): this {
    this.#buffer.writeInt32BE(value, at);
    return this;
  }

  /** What was written. The writer is not used any more. */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  #room(bytes: number): Buffer {
    const needed = this.#length + bytes;
    if (needed > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#buffer.length));
      larger.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = larger;
    }
    return this.#buffer;
  }
}

/** @throws RangeError where the bytes end too early. */
export class JuteReader {
  readonly #buffer: Buffer;
  #at = 0;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#buffer.length;
  }

  int(): number {
    const value = this.#buffer.readInt32BE(this.#at);
    this.#at += 4;
    return value;
  }

  long(): bigint {
    const value = this.#buffer.readBigInt64BE(this.#at);
    this.#at += 8;
    return value;
  }

  bool(): boolean {
    return this.#buffer.readUInt8(this.#at++) !== 0;
  }

  /** A view of what was received. */
  bytes(): Buffer {
    const length = this.int();
    if (length < 0) return NONE;
    const end = this.#at + length;
    if (end > this.#buffer.length) throw new RangeError(`${length} bytes were announced and are not there`);
    const value = this.#buffer.subarray(this.#at, end);
    this.#at = end;
    return value;
  }

  text(): string {
    return this.bytes().toString();
  }
}
