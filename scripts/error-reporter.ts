/**
 * A reporter of vitest, whose json report says nothing of errors that no test waits for (a rejection, a throwing timer, a
 * process that ended), with which the run fails though all tests passed, nor what failed in the hooks of a `describe`.
 * They lie beside that report, for scripts/count.mjs.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import type { SerializedError } from "vitest";
import type { Reporter, TestModule, Vitest } from "vitest/node";

export default class ErrorReporter implements Reporter {
  #report: string | undefined;

  onInit({ config }: Vitest): void {
    const { outputFile, root } = config;
    const report = typeof outputFile === "string" ? outputFile : outputFile?.["json"];
    this.#report = report === undefined ? undefined : resolve(root, report);
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    if (this.#report === undefined) return;
    mkdirSync(dirname(this.#report), { recursive: true });
    const found = [...errors.map(unhandled), ...modules.flatMap(ofHooks)];
    writeFileSync(`${this.#report}.errors`, JSON.stringify(found, undefined, 2));
  }
}

/** A hook's failure is counted by vitest's report, with its file; an unhandled error is nowhere else. */
type Found = Readonly<{ kind: "unhandled" | "hook"; file: string; where: string; what: string }>;

function unhandled(error: SerializedError): Found {
  const { VITEST_TEST_PATH: path, VITEST_TEST_NAME: test, type } = error;
  const file = typeof path === "string" ? relative(process.cwd(), path) : "outside the tests' files";
  const where = typeof test === "string" ? ` > ${test}` : "";
  return { kind: "unhandled", file, where, what: `${typeof type === "string" ? `${type}: ` : ""}${withCause(error)}` };
}

function ofHooks(module: TestModule): readonly Found[] {
  const file = relative(process.cwd(), module.moduleId);
  const failed = (errors: readonly SerializedError[], where: string): readonly Found[] =>
    errors.map((error) => ({ kind: "hook", file, where, what: withCause(error) }));
  const suites = [...module.children.allSuites()].flatMap((suite) => failed(suite.errors(), ` > ${suite.fullName}`));
  return [...failed(module.errors(), ""), ...suites];
}

function withCause(error: SerializedError): string {
  return `${textOf(error)}${error.cause === undefined ? "" : `\ncaused by ${textOf(error.cause)}`}`;
}

function textOf(error: unknown): string {
  if (typeof error !== "object" || error === null) return String(error);
  const { name, message, stack } = error as Partial<SerializedError>;
  return stack?.includes(message ?? "") === true ? stack : `${name}: ${message}\n${stack ?? ""}`.trimEnd();
}
