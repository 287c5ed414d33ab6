import { readFileSync } from "node:fs";
import { request as plainRequest } from "node:http";
import { request as tlsRequest } from "node:https";
import { HOST } from "./server.ts";

const WAIT = 5_000;

export type EtcdAddress = Readonly<{
  port: number;
  /** Files: the authority to trust, and where the server asks for one, the certificate to show. */
  ca?: string | undefined;
  cert?: string | undefined;
  key?: string | undefined;
  token?: string | undefined;
}>;

type Json = Readonly<Record<string, unknown>>;

/** One call of etcd's API as JSON, by the gateway that each of its servers has. Keys and values are base64. An error of etcd rejects. */
export function etcdGateway(address: EtcdAddress, path: string, body: Json = {}): Promise<Json> {
  const { port, token, ca, cert, key } = address;
  const read = (file: string | undefined): Buffer | undefined => (file === undefined ? undefined : readFileSync(file));
  const options = {
    host: HOST,
    port,
    path,
    method: "POST",
    headers: { "content-type": "application/json", ...(token === undefined ? {} : { authorization: token }) },
    agent: false,
    timeout: WAIT,
    ...(ca === undefined ? {} : { ca: read(ca), cert: read(cert), key: read(key) }),
  };
  return new Promise((resolve, reject) => {
    const call = (ca === undefined ? plainRequest : tlsRequest)(options, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.once("end", () => {
        if (response.statusCode === 200) resolve(JSON.parse(text) as Json);
        else reject(new Error(`etcd answers ${path} with ${response.statusCode}: ${text}`));
      });
      response.once("error", reject);
    });
    call.once("timeout", () => call.destroy(new Error(`etcd did not answer ${path} within ${WAIT} ms`)));
    call.once("error", reject);
    call.end(JSON.stringify(body));
  });
}

export const base64 = (text: string): string => Buffer.from(text).toString("base64");

/** Switches authentication on: from now on only users get in, and root may everything. */
export async function etcdEnableUsers(address: EtcdAddress, password: string): Promise<void> {
  await etcdGateway(address, "/v3/auth/user/add", { name: "root", password });
  await etcdGateway(address, "/v3/auth/role/add", { name: "root" });
  await etcdGateway(address, "/v3/auth/user/grant", { user: "root", role: "root" });
  await etcdGateway(address, "/v3/auth/enable");
}

export async function etcdToken(address: EtcdAddress, name: string, password: string): Promise<string> {
  return String((await etcdGateway(address, "/v3/auth/authenticate", { name, password }))["token"]);
}
