import { expect, test } from "vitest";
import { Layout } from "../../../src/drivers/zookeeper/coordination-layout.ts";

const layout = new Layout("/jobferry");

test.each(["a/b/c", "a/b/c/d/e", "a/b/.", "a/b/..", "a/b/./x", "a/b/c.", "./../...", "a/b/c%2F-_~"])(
  "%s is one node below its area, by a name that ZooKeeper takes, and found again",
  (key) => {
    const path = layout.node(key);
    const parts = path.split("/");
    expect(parts).toHaveLength(5);
    expect(parts.slice(1).filter((part) => part === "" || part === "." || part === "..")).toEqual([]);
    expect(path.startsWith(`${layout.area(key)}/`)).toBe(true);
    expect(layout.keyOfPath(path)).toBe(key);
  },
);

test("keys that differ have nodes that differ", () => {
  const keys = ["a/b/.", "a/b/..", "a/b/...", "a/b/c/d", "a/b/c", "a/b/c-d", "a/c/b", "a/bc/d"];
  expect(new Set(keys.map((key) => layout.node(key))).size).toBe(keys.length);
});

test("what is no key is told apart", () => {
  for (const path of ["/jobferry", "/jobferry/k", "/jobferry/k/a,b", "/jobferry/s/0123", "/other/k/a,b/c"])
    expect(layout.keyOfPath(path)).toBeUndefined();
});

test("generations are those that are made, and keys spread over them", () => {
  const made = new Set(layout.generations);
  const used = Array.from({ length: 1_000 }, (_, n) => layout.generation(`a/b/key-${n}`));
  expect(used.every((path) => made.has(path))).toBe(true);
  expect(new Set(used).size).toBe(made.size);
});
