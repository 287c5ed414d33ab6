import { NotEtcd, TooLarge } from "./failures.ts";

const HEAD = 5;

/** Cuts what comes on a stream of gRPC into its messages. Holds one message at most, of at most `maxBytes`. */
export class Framing {
  readonly #maxBytes: number;
  #chunks: Uint8Array[] = [];
  #held = 0;
  /** Of the message that is on its way, with its head; unknown while less than the head has come. */
  #wanted: number | undefined;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** @throws NotEtcd, TooLarge. */
  *messagesIn(chunk: Uint8Array): Generator<Uint8Array, void, undefined> {
    this.#chunks.push(chunk);
    this.#held += chunk.length;
    while (this.#held >= (this.#wanted ??= this.#wantedNow())) {
      const bytes = this.#joined();
      const message = bytes.subarray(HEAD, this.#wanted);
      const rest = bytes.subarray(this.#wanted);
      this.#chunks = [rest];
      this.#held = rest.length;
      this.#wanted = undefined;
      yield message;
    }
    if (this.#wanted === Infinity) this.#wanted = undefined;
  }

  #wantedNow(): number {
    if (this.#held < HEAD) return Infinity;
    const head = this.#joined();
    if (head[0] !== 0) throw new NotEtcd("a compressed message, which nobody asked for");
    const length = new DataView(head.buffer, head.byteOffset).getUint32(1);
    if (length > this.#maxBytes) throw new TooLarge(`an answer of ${length} bytes`);
    return HEAD + length;
  }

  #joined(): Uint8Array {
    const [first = new Uint8Array(), ...more] = this.#chunks;
    if (more.length === 0) return first;
    const whole = Buffer.concat(this.#chunks, this.#held);
    this.#chunks = [whole];
    return whole;
  }
}
