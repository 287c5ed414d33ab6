/** Bytes for `struct.unpack` of a script: big-endian, each text and blob behind its length. */
export class Packing {
  #bytes: Buffer;
  #length = 0;

  constructor(size = 1_024) {
    this.#bytes = Buffer.allocUnsafe(size);
  }

  get length(): number {
    return this.#length;
  }

  byte(value: number): this {
    this.#grow(1);
    this.#length = this.#bytes.writeUInt8(value, this.#length);
    return this;
  }

  short(value: number): this {
    this.#grow(2);
    this.#length = this.#bytes.writeUInt16BE(value, this.#length);
    return this;
  }

  int(value: number): this {
    this.#grow(4);
    this.#length = this.#bytes.writeUInt32BE(value, this.#length);
    return this;
  }

  double(value: number): this {
    this.#grow(8);
    this.#length = this.#bytes.writeDoubleBE(value, this.#length);
    return this;
  }

  /** With a length of two bytes. */
  text(value: string | Uint8Array): this {
    const at = this.#length;
    this.short(0).#raw(value);
    this.#bytes.writeUInt16BE(this.#length - at - 2, at);
    return this;
  }

  /** With a length of four bytes. */
  blob(...parts: readonly (string | Uint8Array)[]): this {
    const at = this.#length;
    this.int(0);
    for (const part of parts) this.#raw(part);
    this.#bytes.writeUInt32BE(this.#length - at - 4, at);
    return this;
  }

  /** What `write` adds becomes a blob. */
  nested(write: (packing: this) => void): this {
    const at = this.#length;
    this.int(0);
    write(this);
    this.#bytes.writeUInt32BE(this.#length - at - 4, at);
    return this;
  }

  /** Without a length. */
  raw(value: string | Uint8Array): this {
    this.#raw(value);
    return this;
  }

  done(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #raw(value: string | Uint8Array): void {
    if (typeof value === "string") {
      this.#grow(value.length * 3);
      this.#length += this.#bytes.write(value, this.#length, "utf8");
      return;
    }
    this.#grow(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  #grow(more: number): void {
    const wanted = this.#length + more;
    if (wanted <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(wanted, this.#bytes.length * 2));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}
