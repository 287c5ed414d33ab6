import { ZookeeperError } from "./zookeeper-error.ts";

/** Answers that are larger come from something else, or would not fit into the memory. */
const MAX_BYTES = 256 * 1024 * 1024;
/** The answer to the first request has 37 or 41 bytes. */
const MAX_GREETING_BYTES = 1_024;
const TLS_ALERT = 0x15;

/** Cuts what arrives into frames: each has its length in front. */
export class Frames {
  #parts: Buffer[] = [];
  #bytes = 0;
  #isFirst = true;

  /** @throws a ZookeeperError: `foreign`, or `tls`. */
  push(chunk: Buffer): readonly Buffer[] {
    this.#parts.push(chunk);
    this.#bytes += chunk.length;
    const frames: Buffer[] = [];
    for (let frame = this.#next(); frame !== undefined; frame = this.#next()) frames.push(frame);
    return frames;
  }

  #next(): Buffer | undefined {
    if (this.#bytes < 4) return undefined;
    const length = this.#joined(4).readInt32BE(0);
    this.#check(length);
    const end = 4 + length;
    if (this.#bytes < end) return undefined;
    const all = this.#joined(end);
    this.#parts = all.length > end ? [all.subarray(end)] : [];
    this.#bytes -= end;
    this.#isFirst = false;
    return all.subarray(4, end);
  }

  /** The first part, made as long as that. Parts are joined once a frame is there, not with each that arrives. */
  #joined(bytes: number): Buffer {
    const [first] = this.#parts;
    if (first !== undefined && first.length >= bytes) return first;
    const all = Buffer.concat(this.#parts);
    this.#parts = [all];
    return all;
  }

  #check(length: number): void {
    const max = this.#isFirst ? MAX_GREETING_BYTES : MAX_BYTES;
    if (length >= 0 && length <= max) return;
    if (this.#isFirst && length >>> 24 === TLS_ALERT)
      throw new ZookeeperError("tlsWanted", "The server speaks TLS and was spoken to without.");
    throw new ZookeeperError("foreign", "What answers does not speak ZooKeeper's protocol.");
  }
}
