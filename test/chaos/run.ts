/** The long form: `npm run chaos -- sqlite 10m [scenario ...]`. Exits with 1 on any violation. */
import { parseDuration } from "../../src/runtime/index.ts";
import { complaints, isClean, report } from "./report.ts";
import { type Outcome, runScenario } from "./scenario.ts";
import { type Name, NAMES, scenario, scenariosFor, secondsOf } from "./scenarios.ts";

const [, , scheme = "sqlite", duration = "10m", ...asked] = process.argv;
const names = asked.length === 0 ? scenariosFor(scheme) : asked.map(checkName);
// One after the other, so that the numbers of each are its own.
const total = parseDuration(duration as "10m", "duration", { min: 1_000 }) / 1_000;
const outcomes: Outcome[] = [];

function checkName(name: string): Name {
  const found = NAMES.find((known) => known === name);
  if (found !== undefined) return found;
  console.error(`There is no scenario "${name}". Known: ${NAMES.join(", ")}.`);
  process.exit(2);
}

for (const name of names) {
  const seconds = secondsOf(name, names, total);
  const planned = scenario(name, seconds);
  console.error(`${planned.name}: ${Math.round(seconds)} s and the drain ...`);
  const started = performance.now();
  const progress = setInterval(() => console.error(`  ${Math.round((performance.now() - started) / 1_000)} s`), 10_000);
  const outcome = await runScenario(planned, scheme);
  clearInterval(progress);
  outcomes.push(outcome);
  for (const complaint of complaints(outcome)) console.error(complaint);
}
console.log(report(outcomes));
process.exitCode = outcomes.every(isClean) ? 0 : 1;
