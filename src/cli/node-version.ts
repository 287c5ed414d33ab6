/** As `engines` in package.json has it. */
export const LEAST_NODE = "22.22.0";

/** `version` with or without the leading "v". */
export function isOlderNode(version: string, wanted: string): boolean {
  return version.replace(/^v/, "").localeCompare(wanted, "en", { numeric: true }) < 0;
}
