// Runs in the processes of the pool. It exports its handlers as default.
// #region handlers
import { createHash } from "node:crypto";
import { digest } from "./digest.ts";

export default [
  digest.handle((job) => {
    let hash = Buffer.from(job.payload.text);
    for (let round = 0; round < job.payload.rounds; round++) hash = createHash("sha256").update(hash).digest();
    return hash.toString("hex").slice(0, 8);
  }),
];
// #endregion handlers
