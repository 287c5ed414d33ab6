import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Work } from "../../core/index.ts";
import { invalidArgument, JobferryError } from "../../errors/index.ts";
import { handlerTable } from "../inline-executor.ts";
import { explainLoadError } from "./load-error.ts";

/**
 * Imports a handler module and gives its default export: a handler function, or an array of routes. TypeScript runs by Node's own type
 * stripping.
 * @throws INVALID_ARGUMENT when it is no `file:` URL; MODULE_INVALID, with what to change, when the module does not load or exports something else.
 */
export async function loadWork(url: URL): Promise<Work> {
  checkModuleUrl(url);
  const file = fileURLToPath(url);
  if (!existsSync(file)) {
    throw new JobferryError("MODULE_INVALID", `The handler module ${file} does not exist. Check the path.`);
  }
  const module = await importModule(url, file);
  const work = defaultExport(module);
  try {
    handlerTable(work as Work);
  } catch (cause) {
    const why = work === undefined ? `It exports ${namesOf(module)}.` : (cause as Error).message;
    throw new JobferryError(
      "MODULE_INVALID",
      `The handler module ${file} must export its handlers as default: a function, or an array of routes. ${why}`,
      { cause },
    );
  }
  return work as Work;
}

/** @throws INVALID_ARGUMENT */
export function checkModuleUrl(url: unknown): URL {
  if (url instanceof URL && url.protocol === "file:") return url;
  throw invalidArgument(
    "module",
    url instanceof URL ? `${url.protocol}…` : url, // the rest may hold a password
    'a file: URL, for example new URL("./handlers.ts", import.meta.url)',
  );
}

async function importModule(url: URL, file: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    return (await import(url.href)) as Record<string, unknown>;
  } catch (cause) {
    throw new JobferryError("MODULE_INVALID", `The handler module ${file} does not load. ${explainLoadError(cause)}`, {
      cause,
    });
  }
}

/** What a compiler made CommonJS of has its default export one level deeper. */
function defaultExport(module: Readonly<Record<string, unknown>>): unknown {
  const work = module["default"];
  if (typeof work !== "object" || work === null || !("__esModule" in work)) return work;
  return (work as { readonly default?: unknown }).default;
}

function namesOf(module: Readonly<Record<string, unknown>>): string {
  const names = Object.keys(module).slice(0, 10);
  return names.length === 0 ? "nothing" : `only ${names.join(", ")}`;
}
