import { afterAll } from "vitest";
import { rabbitmqTarget } from "../rabbitmq/target.ts";
import { runSuite } from "./run-suite.ts";

const url = process.env["LAB_URL"] ?? "";
const target = await rabbitmqTarget(url);
afterAll(() => target.end());
await runSuite("rabbitmq", target);
