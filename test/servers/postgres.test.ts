import { describe, expect, it } from "vitest";
import { testLifeCycle } from "./life-cycle.ts";
import { postgresQuery } from "./postgres-query.ts";
import { isServerAvailable, startServer } from "./shared-server.ts";

await testLifeCycle("postgres", {
  write: (server) => postgresQuery(server, "create table kept as select 'yes' as value"),
  read: (server) => postgresQuery(server, "select value from kept"),
  value: "yes",
});

describe.runIf(await isServerAvailable("postgres"))("options of postgres", () => {
  it("password", async () => {
    await using server = await startServer("postgres", { password: "a-secret" });
    expect(server.url).not.toContain("a-secret");
    await expect(postgresQuery(server, "select 1", { password: "another" })).rejects.toThrow(
      "password authentication failed",
    );
    expect(await postgresQuery(server, "select 1", { password: "a-secret" })).toBe("1");
  });

  it("tls", async () => {
    await using server = await startServer("postgres", { tls: true });
    await using other = await startServer("postgres", { tls: true });
    await expect(postgresQuery(server, "select 1")).rejects.toThrow("no encryption");
    const wrong = { ...server, ...(other.ca === undefined ? {} : { ca: other.ca }) };
    await expect(postgresQuery(wrong, "select 1", { tls: true })).rejects.toThrow("certificate verify failed");
    const encrypted = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    expect(await postgresQuery(server, encrypted, { tls: true })).toBe("t");
  });

  it("readOnly", async () => {
    await using server = await startServer("postgres", { readOnly: true });
    await expect(postgresQuery(server, "create table a (b int)")).rejects.toThrow("read-only transaction");
  });

  it.each([
    [true, "on"],
    [false, "off"],
  ])("durable: %s", async (durable, value) => {
    await using server = await startServer("postgres", { durable });
    for (const setting of ["fsync", "synchronous_commit", "full_page_writes"]) {
      expect(await postgresQuery(server, `show ${setting}`)).toBe(value);
    }
  });

  it("args", async () => {
    await using server = await startServer("postgres", { args: ["-c", "work_mem=5MB"] });
    expect(await postgresQuery(server, "show work_mem")).toBe("5MB");
  });
});
