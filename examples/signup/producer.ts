// #region producer
import { createQueue, isJobferryError } from "jobferry";
import { signup } from "./jobs.ts";

const queue = await createQueue(process.env["JOBFERRY_URL"] ?? "sqlite:jobs.db");
await queue.push(signup.create({ email: "ada@example.com" }));
await queue.push(signup.create({ email: "bob@example.com", plan: "team" }));
console.log(`pushed ${await queue.size("signups")}`);

try {
  await queue.push(signup.create({ email: "not an address" })); // the types fit, the value does not
} catch (error) {
  if (!isJobferryError(error, "PAYLOAD_INVALID")) throw error;
  console.log(`refused: ${error.code}`);
}
await queue.close();
// #endregion producer
