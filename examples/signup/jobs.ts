// What producer and worker share.
// #region definition
import { defineJob } from "jobferry";
import { z } from "zod";

export const signup = defineJob({
  name: "signup",
  payload: z.object({ email: z.email(), plan: z.enum(["free", "team"]).default("free") }),
  queue: "signups",
  maxAttempts: 5,
});
// #endregion definition
