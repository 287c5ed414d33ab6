// The demo's handler, but for two files: one gets a wrong hash, the job of another is given up.
import { digestJob } from "../../demo/digest-job.ts";
import { digestFile } from "../../demo/handler.ts";

export default [
  digestJob.handle(async (job, context) => {
    const { path } = job.payload;
    if (path.endsWith("file-8.bin")) return context.cancel("not today");
    const digest = await digestFile(path, context.signal);
    return path.endsWith("file-7.bin") ? { ...digest, sha256: "0".repeat(64) } : digest;
  }),
];
