import { waitUntil } from "../../scripts/servers/wait-until.ts";

/** What the question answers, asked again until it does not reject. */
export async function answerOf<T>(what: string, question: () => Promise<T>, withinMs: number): Promise<T> {
  const answers: T[] = [];
  await waitUntil(what, async () => answers.push(await question()) > 0, withinMs);
  return answers[0] as T;
}
