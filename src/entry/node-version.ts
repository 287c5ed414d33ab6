// Without imports: the command line loads it before anything that an old Node.js cannot read.

/** As `engines` in package.json has it. */
export const LEAST_NODE = "22.22.0";

/** `version` with or without the leading "v". */
export function isOlderNode(version: string, wanted: string): boolean {
  return version.replace(/^v/, "").localeCompare(wanted, "en", { numeric: true }) < 0;
}

export function tooOldText(): string {
  return `jobferry needs Node.js ${LEAST_NODE} or newer; this is ${process.version}.`;
}
