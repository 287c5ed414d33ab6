import type { Settings } from "./options.ts";

type Place = Readonly<{ host: string; port: string; database: string; user: string }>;

/** What was tried, for messages: server, database and user, never a password. */
export function labelOf({ url, connection, client }: Settings): string {
  const given = { ...(url === undefined ? {} : placeOfUrl(url)), ...placeOfOptions(connection) };
  const held = client === undefined ? {} : placeOfOptions((client as { readonly options?: unknown }).options);
  const { host, port, database, user } = { ...held, ...given } satisfies Partial<Place>;
  if (host === undefined && database === undefined) return "PostgreSQL (as PGHOST and the like say)";
  const as = user === undefined ? "" : ` as user "${user}"`;
  return `PostgreSQL at ${host ?? "localhost"}:${port ?? "5432"}, database "${database ?? user ?? ""}"${as}`;
}

function placeOfOptions(options: unknown): Partial<Place> {
  if (typeof options !== "object" || options === null) return {};
  const { connectionString } = options as { readonly connectionString?: unknown };
  const found = Object.entries(options).flatMap(([name, value]) =>
    ["host", "port", "database", "user"].includes(name) && (typeof value === "string" || typeof value === "number")
      ? [[name, String(value)] as const]
      : [],
  );
  return {
    ...(typeof connectionString === "string" ? placeOfUrl(connectionString) : {}),
    ...Object.fromEntries(found),
  };
}

function placeOfUrl(url: string): Partial<Place> {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined) return {};
  const { hostname, port, pathname, username, searchParams } = parsed;
  return Object.fromEntries(
    Object.entries({
      host: searchParams.get("host") ?? decoded(hostname),
      port,
      database: decoded(pathname.slice(1)),
      user: decoded(username),
    }).filter(([, value]) => value !== ""),
  );
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}
