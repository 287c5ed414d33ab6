/** What a backend's URL may have behind its hosts. */
export type UrlParts = Readonly<{ path?: boolean; query?: boolean }>;

/**
 * What is wrong with a URL that cannot be read, to be put behind "The URL": the first fault from its left. Without a word of the URL, which may
 * hold a password. `schemes` matches the scheme without its colon.
 */
export function urlFault(url: unknown, schemes: RegExp, { path = false, query = false }: UrlParts = {}): string {
  if (typeof url !== "string") return "is no text";
  const [, scheme, rest = ""] = /^([^/?#@]*):\/\/(.*)$/s.exec(url) ?? [];
  if (scheme === undefined) return "does not begin with a scheme and ://";
  if (!schemes.test(scheme)) return "has another scheme";
  const at = rest.lastIndexOf("@");
  const login = rest.slice(0, Math.max(at, 0));
  if (login.includes("@")) return "has more than one @: in a user or password it is %40";
  if (/[/?#]/.test(login)) return "has a /, ? or # before its @: in a user or password they are %2F, %3F and %23";
  const behind = /[/?#].*$/s.exec(rest.slice(at + 1))?.[0] ?? "";
  if (behind.includes("#")) return "has a fragment (#), which means nothing here";
  if (!query && behind.includes("?")) return "has a query (?), which means nothing here";
  if (!path && /^\/[^?]/.test(behind)) return "has a path, which means nothing here";
  return behind.length === rest.length - at - 1 ? "names no host" : "has a host or port that cannot be read";
}
