/** Consul's HTTP interface without our client: for scripts, and for tests that read what it wrote. */
import { readFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { HOST } from "./server.ts";

export type ConsulPlace = Readonly<{
  port: number;
  /** The file of the certificate to trust: then it is HTTPS. */
  ca?: string | undefined;
  /** The file of the key to that same certificate, to show it to a server that asks for one. */
  key?: string | undefined;
  token?: string | undefined;
}>;

export type ConsulReply = Readonly<{ status: number; index: string | undefined; text: string }>;

const PATIENCE = 5_000;

export function consulRequest(
  { port, ca, key, token }: ConsulPlace,
  method: "GET" | "PUT" | "DELETE",
  path: string,
  body?: string,
): Promise<ConsulReply> {
  const headers = token === undefined ? {} : { "X-Consul-Token": token };
  const options = { host: HOST, port, method, path, headers, timeout: PATIENCE, agent: false };
  const shown = key === undefined || ca === undefined ? {} : { cert: readFileSync(ca), key: readFileSync(key) };
  return new Promise((resolve, reject) => {
    const sent = ca === undefined ? httpRequest(options) : httpsRequest({ ...options, ca: readFileSync(ca), ...shown });
    sent.once("error", reject);
    sent.once("timeout", () => sent.destroy(new Error(`No answer from Consul on port ${port} in ${PATIENCE} ms.`)));
    sent.once("response", (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.once("error", reject);
      response.once("end", () => {
        const index = response.headers["x-consul-index"];
        resolve({ status: response.statusCode ?? 0, index: typeof index === "string" ? index : undefined, text });
      });
    });
    sent.end(body);
  });
}

/** Whether the server with this port for HTTP leads, as it sees it. */
export async function isConsulLeader(port: number): Promise<boolean> {
  const { text } = await consulRequest({ port }, "GET", "/v1/agent/self");
  return /"leader":\s*"true"/.test(text);
}
