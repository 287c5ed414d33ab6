// Runs in the processes of the pool: hashes a file and compresses it in one pass.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { digestJob, type Digest } from "./digest-job.ts";

export async function digestFile(path: string, signal: AbortSignal): Promise<Digest> {
  const hash = createHash("sha256");
  let [bytes, compressed] = [0, 0];
  async function* hashed(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of source) {
      hash.update(chunk);
      bytes += chunk.length;
      yield chunk;
    }
  }
  async function count(source: AsyncIterable<Buffer>): Promise<void> {
    for await (const chunk of source) compressed += chunk.length;
  }
  await pipeline(createReadStream(path), hashed, createGzip({ level: 1 }), count, { signal });
  return { sha256: hash.digest("hex"), bytes, compressed, pid: process.pid };
}

export default [digestJob.handle((job, { signal }) => digestFile(job.payload.path, signal))];
