import { describe, expect, it } from "vitest";
import { parseAddress } from "../../../src/drivers/redis/address.ts";
import { isJobferryError } from "../../../src/errors/index.ts";

const read = (url: string): object => {
  const { kind, nodes, primary, tls, username, password, database } = parseAddress(url);
  const login = username === undefined && password === undefined ? {} : { username, password };
  return { kind, nodes: nodes.map(({ host, port }) => `${host}:${port}`), primary, tls, database, ...login };
};
const plain = { kind: "single", nodes: ["localhost:6379"], primary: undefined, tls: false, database: 0 };

describe("a Redis URL", () => {
  it.each([
    ["redis://", plain],
    ["redis://h", { ...plain, nodes: ["h:6379"] }],
    ["rediss://h:1/3", { ...plain, nodes: ["h:1"], tls: true, database: 3 }],
    ["REDIS://h", { ...plain, nodes: ["h:6379"] }],
    ["redis://[::1]:7", { ...plain, nodes: ["::1:7"] }],
    ["redis://u:p%40w@h", { ...plain, nodes: ["h:6379"], username: "u", password: "p@w" }],
    ["redis://:pw@h", { ...plain, nodes: ["h:6379"], username: undefined, password: "pw" }],
    [
      "redis+sentinel://a:1,b/main/2",
      { ...plain, kind: "sentinel", nodes: ["a:1", "b:26379"], primary: "main", database: 2 },
    ],
    ["redis+sentinel://a:1?master=main", { ...plain, kind: "sentinel", nodes: ["a:1"], primary: "main" }],
    ["rediss+cluster://a:1,b:2", { ...plain, kind: "cluster", nodes: ["a:1", "b:2"], tls: true }],
  ])("%s", (url, wanted) => expect(read(url)).toEqual(wanted));

  it("is shown without user and password", () => {
    expect(parseAddress("rediss+sentinel://user:word@a:1,b:2/main").shown).toBe("rediss+sentinel://a:1,b:2/main");
  });

  it.each([
    "http://h",
    "redis://word@a,b",
    "redis://h:0",
    "redis://h:99999",
    "redis://h/x",
    "redis://h/1/2",
    "redis://:%zz@h",
    "redis+sentinel://word@h:1",
    "redis+cluster://word@h:1/3",
    "redis://word@h?master=x",
  ])("%s is refused without being repeated", (url) => {
    let error: unknown;
    try {
      parseAddress(url);
    } catch (thrown) {
      error = thrown;
    }
    expect(isJobferryError(error, "INVALID_ARGUMENT")).toBe(true);
    expect(String(error)).not.toContain("word@");
  });
});
