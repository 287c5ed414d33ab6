import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { afterAll, describe, expect, it } from "vitest";
import type { Queue } from "jobferry";
import type { ServerName } from "../../scripts/servers/registry.ts";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";
import type { JobferryError } from "../../src/errors/index.ts";

/** `ca`: whom the client trusts, else whom Node.js does. `name`: the one that must stand in the certificate. undefined: without TLS. */
export type Trust = Readonly<{ ca?: string; name?: string }> | undefined;

export type TlsTarget = Readonly<{
  server: ServerName;
  open: (port: number, trust: Trust) => Queue;
  /** What messages say of the scheme or option that is meant. */
  advice: RegExp;
}>;

async function openError(queue: Queue): Promise<JobferryError> {
  try {
    return await queue.open().then(
      () => Promise.reject(new Error("it opened")),
      (error: JobferryError) => error,
    );
  } finally {
    await queue.close();
  }
}

/** The same four ways in which client and server do not agree on TLS, with the same code and the same shape of message on every backend. */
export async function testTlsMismatch(title: string, { server: kind, open, advice }: TlsTarget): Promise<void> {
  describe.runIf(await isServerAvailable(kind))(`${title}: client and server do not agree on TLS`, async () => {
    const [secure, other, plain] = await Promise.all([
      startServer(kind, { tls: true }),
      startServer(kind, { tls: true }),
      startServer(kind, {}),
    ]);
    afterAll(() => Promise.all([secure, other, plain].map((one) => one.remove())));
    const ca = readFileSync(secure.ca ?? "", "utf8");
    const otherCa = readFileSync(other.ca ?? "", "utf8");

    it("a trusted certificate: it opens", async () => {
      await using queue = open(secure.port, { ca });
      await queue.open();
    });

    it.each([
      ["an authority that is not known", () => secure.port, {}, /DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED/],
      ["another authority", () => secure.port, { ca: otherCa }, /DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED/],
      ["another name", () => secure.port, { ca, name: "other.test" }, /ERR_TLS_CERT_ALTNAME_INVALID/],
      ["TLS with a server that speaks none", () => plain.port, { ca }, /it speaks none|ERR_SSL|EPROTO/],
    ] as const)("%s", async (_, port, trust, reason) => {
      const error = await openError(open(port(), trust));
      expect(error).toMatchObject({ code: "ACCESS_DENIED", retryable: false });
      expect(error.message).toMatch(/The TLS handshake with .+ failed \(.+\)\. Use /);
      expect(error.message).toContain(`127.0.0.1:${port()}`);
      expect(error.message).toMatch(reason);
      expect(error.message).toMatch(advice);
      expect(error.message).not.toContain("BEGIN CERTIFICATE");
    });

    it("TLS with what only hangs up, as a proxy does whose server is away: nothing is said of TLS that is not known", async () => {
      const proxy = createServer((client) => client.on("error", () => undefined).destroy());
      await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
      const error = await openError(open((proxy.address() as AddressInfo).port, { ca }));
      proxy.close();
      expect(error).toMatchObject({ code: "UNAVAILABLE", retryable: true });
    });

    it("no TLS with a server that wants it", async () => {
      const error = await openError(open(secure.port, undefined));
      expect(error).toMatchObject({ code: "ACCESS_DENIED", retryable: false });
      expect(error.message).toMatch(/wants? TLS/);
      expect(error.message).toContain(`127.0.0.1:${secure.port}`);
      expect(error.message).toMatch(advice);
    });
  });
}
