import type { Socket } from "node:net";

export type FlowRule = Readonly<{
  /** How many more bytes are forwarded; what follows is dropped, the end of the stream included. */
  allowance: number;
  latency: number;
  bytesPerSecond: number;
}>;

type Piece = Readonly<{ bytes: Buffer | "end"; due: number }>;

/** A slow flow reads ahead this many bytes, like a buffer on the way. */
const READ_AHEAD = 1024 * 1024;
/** A rate holds over slices of this many milliseconds. */
const SLICE = 20;

/** One direction of a connection. What comes after a dropped byte is dropped, too. */
export class ProxyFlow {
  forwarded = 0;
  dropped = 0;
  readonly #from: Socket | undefined;
  readonly #to: Socket | undefined;
  #rule: FlowRule = { allowance: Infinity, latency: 0, bytesPerSecond: Infinity };
  #isBroken: boolean;
  #pieces: Piece[] = [];
  #waitingBytes = 0;
  #wireFreeAt = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(from: Socket | undefined, to: Socket | undefined) {
    this.#from = from;
    this.#to = to;
    this.#isBroken = to === undefined;
    from?.on("data", (chunk: Buffer) => this.#take(chunk));
    from?.once("end", () => this.#takeEnd());
    from?.once("error", () => {
      if (!this.#isDropping()) to?.resetAndDestroy();
    });
    to?.once("close", () => this.drop());
  }

  set(rule: FlowRule): void {
    this.#rule = rule;
    // What is on its way when nothing gets through any more is lost.
    if (rule.allowance === 0 && this.#pieces.length > 0) this.drop();
  }

  /** From here on nothing is forwarded, whatever is set. */
  drop(): void {
    this.#isBroken = true;
    this.dropped += this.#waitingBytes;
    this.#pieces = [];
    this.#waitingBytes = 0;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#from?.resume();
  }

  #isDropping(): boolean {
    return this.#isBroken || this.#rule.allowance === 0;
  }

  #take(chunk: Buffer): void {
    const allowed = this.#isBroken ? 0 : Math.min(chunk.length, this.#rule.allowance);
    if (allowed < chunk.length) {
      this.#isBroken = true;
      this.dropped += chunk.length - allowed;
    }
    if (allowed === 0) return;
    this.#rule = { ...this.#rule, allowance: this.#rule.allowance - allowed };
    this.#forward(chunk.subarray(0, allowed));
  }

  #takeEnd(): void {
    if (this.#isDropping()) this.#isBroken = true;
    else if (this.#isImmediate()) this.#to?.end();
    else this.#queue("end");
  }

  #forward(bytes: Buffer): void {
    if (this.#isImmediate()) {
      this.#write(bytes);
      return;
    }
    const slice = Math.max(1, Math.floor((this.#rule.bytesPerSecond * SLICE) / 1000));
    for (let at = 0; at < bytes.length; at += slice) this.#queue(bytes.subarray(at, at + slice));
    if (this.#waitingBytes > READ_AHEAD) this.#from?.pause();
  }

  #isImmediate(): boolean {
    return this.#pieces.length === 0 && this.#rule.latency === 0 && this.#rule.bytesPerSecond === Infinity;
  }

  #queue(bytes: Buffer | "end"): void {
    const size = bytes === "end" ? 0 : bytes.length;
    this.#wireFreeAt = Math.max(performance.now(), this.#wireFreeAt) + (size * 1000) / this.#rule.bytesPerSecond;
    this.#waitingBytes += size;
    this.#pieces.push({ bytes, due: this.#wireFreeAt + this.#rule.latency });
    this.#arm();
  }

  #arm(): void {
    const [first] = this.#pieces;
    if (first) this.#timer ??= setTimeout(() => this.#release(), Math.max(0, first.due - performance.now()));
  }

  #release(): void {
    this.#timer = undefined;
    const first = this.#pieces.findIndex(({ due }) => due > performance.now());
    for (const { bytes } of this.#pieces.splice(0, first === -1 ? this.#pieces.length : first)) {
      if (bytes === "end") this.#to?.end();
      else {
        this.#waitingBytes -= bytes.length;
        this.#write(bytes);
      }
    }
    if (this.#waitingBytes <= READ_AHEAD && this.#to?.writableNeedDrain !== true) this.#from?.resume();
    this.#arm();
  }

  #write(bytes: Buffer): void {
    this.forwarded += bytes.length;
    if (this.#to?.write(bytes) !== false) return;
    this.#from?.pause();
    this.#to.once("drain", () => this.#from?.resume());
  }
}
