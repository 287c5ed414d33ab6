import { JobferryError, type Queues } from "../../entry/index.ts";

const WEIGHTED = /^(.+):(\d+)$/s;

/**
 * The queues of `--queue high:3,default:1`, also given several times: with weights, or without any in strict order. A last `:number` is a
 * weight, so a queue that is really named "a:1" is written "a:1:1".
 * @throws INVALID_ARGUMENT
 */
export function queueChoice(given: readonly string[]): Queues {
  const names = given.flatMap((text) => text.split(",")).map((name) => name.trim());
  const weighted = names.map((name) => WEIGHTED.exec(name));
  if (weighted.every((match) => match === null)) return names;
  if (weighted.some((match) => match === null)) {
    throw new JobferryError(
      "INVALID_ARGUMENT",
      "--queue: give all queues a weight (high:3,default:1) or none (high,default: strict order).",
    );
  }
  const weights = weighted.map((match) => [match?.[1] ?? "", Number(match?.[2])] as const);
  const twice = weights.find(([name], i) => weights.findIndex(([other]) => other === name) !== i);
  if (twice !== undefined) throw new JobferryError("INVALID_ARGUMENT", `--queue names "${twice[0]}" twice.`);
  return Object.fromEntries(weights);
}
