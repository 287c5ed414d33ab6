// A third party's coordination store through the suite, both as its author has them.
import { runCoordinationConformance } from "jobferry/conformance";
import { virtualClock } from "jobferry/testing";
import { ThirdPartyStore } from "./coordination-store.ts";
import { World } from "./coordination-world.ts";

const clock = virtualClock();
let world = new World(clock);
const made = new Map<object, ThirdPartyStore>();
const client = (): ThirdPartyStore => {
  const store = new ThirdPartyStore(world);
  made.set(store, store);
  return store;
};

const summary = await runCoordinationConformance({
  clock,
  open: () => {
    world = new World(clock);
    return client();
  },
  reopen: client,
  partition: (store) => {
    const cut = made.get(store) ?? { isCut: false };
    cut.isCut = true;
    return () => {
      cut.isCut = false;
      world.wake();
    };
  },
  crash: (store) => store.close(),
  loseAnswer: (store) => Object.assign(store, { losesNext: true }),
  cleanup: () => {
    world.stop();
    made.clear();
  },
});
const failed = summary.outcomes.flatMap((outcome) =>
  outcome.status === "failed" ? [`${outcome.group}: ${outcome.name}: ${String(outcome.error)}`] : [],
);
console.log(JSON.stringify({ passed: summary.passed, skipped: summary.skipped, failed }));
