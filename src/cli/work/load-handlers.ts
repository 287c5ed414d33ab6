import { isAbsolute, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { JobferryError, type Work } from "../../entry/index.ts";

/** The URL of a handler module given as a path or a file: URL. */
export function handlersUrl(given: string): URL {
  if (given.startsWith("file:")) return new URL(given);
  return pathToFileURL(isAbsolute(given) ? given : resolve(given));
}

/** @throws MODULE_INVALID that says what to change in the module. */
export async function loadHandlers(url: URL): Promise<Work> {
  const loaded = await importModule(url);
  const work = loaded["default"];
  if (typeof work === "function" || isRoutes(work)) return work as Work;
  throw new JobferryError(
    "MODULE_INVALID",
    `${url.pathname} has no usable default export. Export one function, or an array of routes: export default [email.handle(send)].`,
  );
}

function isRoutes(work: unknown): boolean {
  return (
    Array.isArray(work) &&
    work.length > 0 &&
    work.every((route) => typeof route === "object" && route !== null && "handler" in route)
  );
}

async function importModule(url: URL): Promise<Readonly<Record<string, unknown>>> {
  try {
    return (await import(url.href)) as Readonly<Record<string, unknown>>;
  } catch (cause) {
    throw new JobferryError("MODULE_INVALID", `The handlers in ${url.pathname} do not load: ${reasonOf(cause)}`, {
      cause,
    });
  }
}

function reasonOf(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  if (code === "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX") {
    return `${message}. Node.js strips types and compiles nothing: write a union or a const object instead of an enum, no namespace and no parameter property.`;
  }
  if (code === "ERR_MODULE_NOT_FOUND" && /\.js\b/.test(message)) {
    return `${message}. Where the file is TypeScript, import it with its real ending: "./x.ts", not "./x.js".`;
  }
  return message;
}
