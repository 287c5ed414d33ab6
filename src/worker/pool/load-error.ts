import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

type LoadError = Readonly<{ code?: unknown; message?: unknown; name?: unknown; stack?: unknown; url?: unknown }>;

/** What to change so that a module loads, from what its import threw. */
export function explainLoadError(thrown: unknown): string {
  if (typeof thrown !== "object" || thrown === null) return `It threw ${String(thrown)} while it was loaded.`;
  const error = thrown as LoadError;
  const message = typeof error.message === "string" ? error.message : "";
  switch (error.code) {
    case "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX":
      return `${placeOf(error)}${firstLine(message)}. Node.js runs TypeScript by erasing types: use a const object and a union instead of an enum, a module instead of a namespace, and declared fields instead of parameter properties, or compile to JavaScript first.`;
    case "ERR_INVALID_TYPESCRIPT_SYNTAX":
      return `${placeOf(error)}It is not valid TypeScript: ${firstLine(message)}.`;
    case "ERR_MODULE_NOT_FOUND":
    case "ERR_UNSUPPORTED_DIR_IMPORT":
      return missingImport(error, message);
    case "ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING":
      return `${message} Node.js runs no TypeScript inside node_modules: compile that package to JavaScript.`;
    case "ERR_UNKNOWN_FILE_EXTENSION":
      return `${message}. Node.js runs .js, .mjs, .cjs, .ts, .mts and .cts.`;
    default:
      return error.name === "SyntaxError" ? syntaxError(error, message) : `It threw while it was loaded: ${message}`;
  }
}

function missingImport(error: LoadError, message: string): string {
  const missing = typeof error.url === "string" && error.url.startsWith("file:") ? fileURLToPath(error.url) : undefined;
  if (missing === undefined) return `${message}. Install the package, or correct its name.`;
  const found = candidates(missing).find((file) => existsSync(file));
  if (found === undefined) return `${message}. Correct the path.`;
  const importer = /imported from (.+)$/m.exec(message)?.[1] ?? missing;
  const wanted = relative(dirname(importer), found).replaceAll(sep, "/");
  return `${message}. But ${found} is there, and Node.js takes the name of a file as it stands: import "${wanted.startsWith(".") ? wanted : `./${wanted}`}".`;
}

/** The TypeScript file that a bundler or compiler would have found under that name. */
function candidates(file: string): readonly string[] {
  const script = /\.([mc]?)js$/.exec(file);
  if (script !== null) return [`${file.slice(0, script.index)}.${script[1] ?? ""}ts`];
  return [`${file}.ts`, `${file}.js`, `${file}.mts`, `${file}.mjs`, `${file}/index.ts`, `${file}/index.js`];
}

/** What Node says of ES module syntax in a file that package.json calls CommonJS, as "npm init" has written it since npm 11, and of some other mistakes. */
const IS_ES_MODULE = /^Unexpected token 'export'|^Cannot use (?:import statement|'import\.meta') outside a module/;

function syntaxError(error: LoadError, message: string): string {
  const file = fileOf(error);
  if (file !== undefined && IS_ES_MODULE.test(message) && /\.[jt]s$/.test(file) && isCalledCommonJs(dirname(file))) {
    return `${placeOf(error)}${message}. It is an ES module, and the nearest package.json says "type": "commonjs": write "type": "module" there, or name the file .mts or .mjs.`;
  }
  const hint = message.includes("does not provide an export named")
    ? ' When it is a type, import it with "import type".'
    : "";
  const place = placeOf(error);
  const look = place === "" && hint === "" ? ' "node --check" shows where.' : "";
  return `${place}${message}.${hint}${look}`;
}

/** By the nearest package.json. */
function isCalledCommonJs(folder: string): boolean {
  const file = join(folder, "package.json");
  if (existsSync(file)) return /"type"\s*:\s*"commonjs"/.test(readFileSync(file, "utf8"));
  return dirname(folder) !== folder && isCalledCommonJs(dirname(folder));
}

function placeOf(error: LoadError): string {
  const place = stackPlace(error);
  return place === null ? "" : `${place[1]}, line ${place[2]}: `;
}

function fileOf(error: LoadError): string | undefined {
  return stackPlace(error)?.[1];
}

/** Node puts the place before the error in its stack. */
function stackPlace({ stack }: LoadError): RegExpExecArray | null {
  const first = typeof stack === "string" ? firstLine(stack) : "";
  return /^(?:file:\/\/)?(\/.*|[A-Za-z]:\\.*):(\d+)$/.exec(first);
}

function firstLine(text: string): string {
  return (text.trimStart().split("\n")[0] ?? "").trimEnd().replace(/\.$/, "");
}
