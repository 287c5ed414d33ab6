/** What the tests of Consul share: errors, stores under a prefix of their own, and Consul's own tokens. */
import { randomUUID } from "node:crypto";
import { afterEach } from "vitest";
import { consulRequest } from "../../scripts/servers/consul-request.ts";
import type { CoordinationStore } from "../../src/contract/index.ts";
import { consulCoordinationStore, type ConsulDriverOptions } from "../../src/drivers/consul/index.ts";
import { isJobferryError, JobferryError } from "../../src/errors/index.ts";
import { systemClock } from "../../src/runtime/index.ts";

/** What it rejected with; a JobferryError. */
export async function rejection(promise: Promise<unknown>): Promise<JobferryError> {
  try {
    await promise;
  } catch (error) {
    if (isJobferryError(error)) return error;
    throw error;
  }
  throw new Error("it did not reject");
}

const made: CoordinationStore[] = [];
afterEach(async () => {
  await Promise.all(made.splice(0).map((store) => store.close()));
});

/** Not yet opened; it is closed after the test. */
export function storeAt(address: ConsulDriverOptions["address"], options: Partial<ConsulDriverOptions> = {}) {
  const store = consulCoordinationStore({ address, prefix: `test/${randomUUID()}`, ...options });
  made.push(store);
  return store;
}

export async function openStore(
  address: ConsulDriverOptions["address"],
  options: Partial<ConsulDriverOptions> = {},
): Promise<CoordinationStore> {
  const store = storeAt(address, options);
  await store.open({ clock: systemClock });
  return store;
}

/** As a user of the store sees it. */
export async function errorOf(store: CoordinationStore, promise: Promise<unknown>): Promise<JobferryError> {
  try {
    await promise;
  } catch (error) {
    const { code, retryable, message = "" } = store.classify(error);
    return new JobferryError(code, message, { retryable, cause: error });
  }
  throw new Error("it did not reject");
}

/** A token with these rules, made by one that may do everything. */
export async function makeToken(port: number, manager: string, rules: string): Promise<string> {
  const put = async (path: string, body: object): Promise<Readonly<Record<string, unknown>>> => {
    const { status, text } = await consulRequest({ port, token: manager }, "PUT", path, JSON.stringify(body));
    if (status !== 200) throw new Error(`${path}: ${status} ${text}`);
    return JSON.parse(text) as Readonly<Record<string, unknown>>;
  };
  const policy = await put("/v1/acl/policy", { Name: `p${randomUUID()}`, Rules: rules });
  const token = await put("/v1/acl/token", { Policies: [{ ID: policy["ID"] }] });
  return String(token["SecretID"]);
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
