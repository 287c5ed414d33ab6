// The job that producer and pool share.
import { defineJob, typed } from "jobferry";

export const digest = defineJob({ name: "digest", payload: typed<{ text: string; rounds: number }>() });
