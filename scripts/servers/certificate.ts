import { chownSync } from "node:fs";
import { join } from "node:path";
import type { Launch } from "./guardian-messages.ts";
import { HOST } from "./server.ts";
import { runGuarded } from "./run-program.ts";

export type Certificate = Readonly<{ certificate: string; key: string }>;

/** A self-signed certificate for the loopback address, good for a day: it is its own authority. */
export async function createCertificate(folder: string, user?: Launch["user"]): Promise<Certificate> {
  const certificate = join(folder, "certificate.pem");
  const key = join(folder, "key.pem");
  const name = ["-subj", "/CN=localhost", "-addext", `subjectAltName=DNS:localhost,IP:${HOST}`];
  const keyKind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const args = ["req", "-x509", ...keyKind, "-keyout", key, "-out", certificate, "-days", "1", ...name];
  await runGuarded({ command: "openssl", args });
  if (user) for (const file of [certificate, key]) chownSync(file, user.uid, user.gid);
  return { certificate, key };
}
