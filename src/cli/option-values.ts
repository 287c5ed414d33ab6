import { InvalidArgumentError } from "commander";
import { type Durability, isJobferryError, type Keep, parseDuration } from "../entry/index.ts";

/** Parsers of option values. What they throw names the option, because commander puts it in front. */

export function integer(min: number, max: number = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be an integer from ${min} to ${max}.`);
  };
}

/** Milliseconds. A bare number is milliseconds too. */
export function duration(minMs = 0): (text: string) => number {
  return (text) => {
    try {
      return parseDuration(/^\d+(\.\d+)?$/.test(text) ? Number(text) : text, "It", { min: minMs });
    } catch (error) {
      throw isJobferryError(error) ? new InvalidArgumentError(error.message) : error;
    }
  };
}

export type Pair = readonly [key: string, value: string];

export function pair(text: string): Pair {
  const at = text.indexOf("=");
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw new InvalidArgumentError("It must be key=value.");
}

/** For an option that may be given several times. */
export function pairs(text: string, before: readonly Pair[] = []): readonly Pair[] {
  return [...before, pair(text)];
}

export function texts(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

const DURABILITIES: readonly Durability[] = ["process", "serverCrash", "power", "quorum"];

export const DURABILITY_HELP: string = `what a stored job must survive (${DURABILITIES.join(", ")}); a backend that gives less is refused`;

export function durability(text: string): Durability {
  const found = DURABILITIES.find((level) => level === text);
  if (found === undefined) throw new InvalidArgumentError(`It must be one of ${DURABILITIES.join(", ")}.`);
  return found;
}

/** Which finished jobs stay: "all", "none", a count, or an age. */
export function keep(text: string): Keep {
  if (text === "all" || text === "none") return text === "all";
  if (/^\d+$/.test(text)) return { count: integer(0)(text) };
  return { age: duration()(text) };
}
