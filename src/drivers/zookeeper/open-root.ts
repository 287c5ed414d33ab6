import { JobferryError } from "../../errors/index.ts";
import type { KeptClient } from "./client/kept-client.ts";
import { readAcl, readNames, readNode, readReadResults, type Node } from "./client/replies.ts";
import { requests, type Acl } from "./client/requests.ts";
import { answerError, Code, isAnswer } from "./client/zookeeper-error.ts";
import { LAYOUT, ROOT_MARK, type Layout } from "./coordination-layout.ts";

const NOTHING = new Uint8Array();
const MARK = Buffer.from(`${ROOT_MARK}${LAYOUT}`);

/** Makes what is missing. Any number of clients may do it at once. @throws STORE_FOREIGN, STORE_NEWER, a ZookeeperError. */
export async function openRoot(client: KeptClient, layout: Layout, acl: readonly Acl[]): Promise<void> {
  const found = await nodeAt(client, layout.root);
  if (found === undefined) await makeRoot(client, layout, acl);
  else await checkRoot(client, layout, found);
  // A server that is too old for it says so here.
  const { body } = await client.call(requests.multiRead([{ op: "getData", path: layout.root }]));
  const [read] = readReadResults(body);
  if (read?.kind === "error") throw answerError(read.code, layout.root);
  const below = [layout.keys, layout.sessions, layout.generationParent, ...layout.generations];
  // They are made in this order.
  const last = below.at(-1) ?? layout.root;
  if ((await nodeAt(client, last)) === undefined)
    await Promise.all(below.map((path) => makeNode(client, path, NOTHING, acl)));
}

/** Read, write, create, delete. */
const ALL_OF_IT = 15;

/** A root that is there and that all may use: one client with a login, which the digest scheme takes unseen, would lock the others out of what it makes. */
export async function isForEverybody(client: KeptClient, root: string): Promise<boolean> {
  try {
    const acl = readAcl((await client.call(requests.getAcl(root))).body);
    return acl.some(({ permissions, scheme }) => scheme === "world" && (permissions & ALL_OF_IT) === ALL_OF_IT);
  } catch (error) {
    if (isAnswer(error, Code.noNode)) return false;
    throw error;
  }
}

/** Unless it is there. A container goes when its last child has gone; the server looks once a minute. */
export async function makeNode(
  client: KeptClient,
  path: string,
  data: Uint8Array,
  acl: readonly Acl[],
  mode: "persistent" | "container" = "persistent",
): Promise<void> {
  try {
    await client.call(requests.write({ op: "create", path, data, mode, acl }));
  } catch (error) {
    if (!isAnswer(error, Code.nodeExists)) throw error;
  }
}

async function nodeAt(client: KeptClient, path: string): Promise<Node | undefined> {
  try {
    return readNode((await client.callBoth(requests.sync(path), requests.getData(path))).body);
  } catch (error) {
    if (isAnswer(error, Code.noNode)) return undefined;
    throw error;
  }
}

async function makeRoot(client: KeptClient, layout: Layout, acl: readonly Acl[]): Promise<void> {
  const parts = layout.root.split("/").slice(1);
  for (let depth = 1; depth < parts.length; depth += 1) {
    const parent = `/${parts.slice(0, depth).join("/")}`;
    if ((await nodeAt(client, parent)) === undefined) await makeNode(client, parent, NOTHING, acl);
  }
  await makeNode(client, layout.root, MARK, acl);
  const found = await nodeAt(client, layout.root);
  if (found !== undefined) await checkRoot(client, layout, found);
}

async function checkRoot(client: KeptClient, layout: Layout, { data, stat }: Node): Promise<void> {
  if (stat.owner !== 0n) throw foreign(layout, "is not a persistent node (it is ephemeral, or has a time to live)");
  const text = data.toString();
  if (text.startsWith(ROOT_MARK)) return checkLayout(layout, Number(text.slice(ROOT_MARK.length)));
  const { body } = await client.call(requests.getChildren2(layout.root));
  if (data.length > 0 || readNames(body).length > 0) throw foreign(layout, "holds something else");
  // Somebody made it for us, as one does for a root with an access list of its own.
  const write = requests.write({ op: "setData", path: layout.root, data: MARK, version: stat.version });
  await client.call(write).catch((error: unknown) => {
    if (!isAnswer(error, Code.badVersion)) throw error;
  });
}

function checkLayout({ root }: Layout, found: number): void {
  if (found === LAYOUT) return;
  if (!(found > LAYOUT)) throw new JobferryError("STORE_CORRUPT", `The node ${root} names no layout of Jobferry.`);
  throw new JobferryError(
    "STORE_NEWER",
    `The cluster's nodes below ${root} have layout ${found}; this version of Jobferry reads ${LAYOUT}. Upgrade Jobferry here.`,
  );
}

function foreign({ root }: Layout, what: string): JobferryError {
  return new JobferryError("STORE_FOREIGN", `The node ${root} ${what}. Choose another root.`);
}
