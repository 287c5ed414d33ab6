import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LostAnswer } from "./lost-answer.ts";
import { startTcpProxy } from "./tcp-proxy.ts";
import type { TcpProxy } from "./tcp-proxy.ts";
import { startStopwatch } from "../stalls/stopwatch.ts";

/** Long enough for anything that is not held back to get through on loopback. */
const MOMENT = 60;

/** Answers each chunk with the same in upper case, and keeps what it got. */
let server: Server;
let serverSockets: Socket[] = [];
let requests = "";
let proxy: TcpProxy;
let clients: Socket[] = [];

beforeEach(async () => {
  requests = "";
  serverSockets = [];
  clients = [];
  server = createServer({ allowHalfOpen: true }, (socket) => {
    serverSockets.push(socket);
    socket.on("error", () => {});
    socket.on("end", () => socket.end());
    socket.on("data", (chunk) => {
      requests += chunk.toString();
      socket.write(chunk.toString().toUpperCase());
    });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  proxy = await startTcpProxy({ host: "127.0.0.1", port: (server.address() as AddressInfo).port });
});

afterEach(async () => {
  await proxy.close();
  for (const socket of [...clients, ...serverSockets]) socket.destroy();
  server.close();
});

describe("pass", () => {
  it("carries both directions and counts", async () => {
    const client = await open();
    expect(await ask(client, "hello")).toBe("HELLO");
    expect(proxy.counts).toEqual({ open: 1, accepted: 1, toServer: 5, toClient: 5, dropped: 0 });
  });

  it("carries much more than the buffers hold, unchanged", async () => {
    const client = await open();
    const sent = "0123456789abcdef".repeat(512 * 1024);
    client.end(sent);
    let received = 0;
    client.on("data", (chunk) => (received += chunk.length));
    await once(client, "close");
    expect(received).toBe(sent.length);
    expect(requests === sent).toBe(true);
  });

  it("tells each side how the other one ended", async () => {
    const first = await open();
    first.end();
    await once(first, "close");
    const second = await open();
    await ask(second, "x");
    const error = once(second, "error");
    serverSockets[1]?.resetAndDestroy();
    expect(await error).toMatchObject([{ code: "ECONNRESET" }]);
    await expect.poll(() => proxy.counts.open).toBe(0);
  });

  it("resets the client when the server is not there", async () => {
    const port = (server.address() as AddressInfo).port;
    server.close();
    await using lonely = await startTcpProxy({ host: "127.0.0.1", port });
    const client = connect(lonely.port, lonely.host);
    expect(await once(client, "error")).toMatchObject([{ code: "ECONNRESET" }]);
  });
});

describe("cut", () => {
  it("resets both sides; new connections work", async () => {
    const client = await open();
    await ask(client, "x");
    const errors = [once(client, "error"), once(serverSockets[0]!, "error")];
    proxy.cut("reset");
    expect(await Promise.all(errors)).toMatchObject([[{ code: "ECONNRESET" }], [{ code: "ECONNRESET" }]]);
    expect(await ask(await open(), "again")).toBe("AGAIN");
  });

  it("ends both sides in good order", async () => {
    const client = await open();
    await ask(client, "x");
    const ends = [once(client, "end"), once(serverSockets[0]!, "end")];
    proxy.cut("end");
    await Promise.all(ends);
    await expect.poll(() => proxy.counts.open).toBe(0);
  });
});

describe("half-open", () => {
  it("swallows both directions and the ends, of old connections and new ones", async () => {
    const client = await open();
    await ask(client, "x");
    proxy.halfOpen();
    const late = await open();
    const heard = listen(client, late);
    client.write("lost");
    late.write("lost");
    serverSockets[0]?.write("lost");
    serverSockets[0]?.end();
    await expect.poll(() => proxy.counts.dropped).toBe(12);
    await delay(MOMENT);
    expect({ heard, requests }).toEqual({ heard: [], requests: "x" });
  });

  it("is over with pass, for connections that have lost nothing", async () => {
    const idle = await open();
    const unlucky = await open();
    await ask(idle, "x");
    await ask(unlucky, "y");
    proxy.halfOpen();
    unlucky.write("lost");
    await expect.poll(() => proxy.counts.dropped).toBe(4);
    await proxy.pass();
    expect(await ask(idle, "still here")).toBe("STILL HERE");
    unlucky.write("after a gap");
    await delay(MOMENT);
    expect(requests).toBe("xystill here");
  });
});

describe("drop responses", () => {
  it("lets requests take effect and loses their answers from then on", async () => {
    const client = await open();
    await ask(client, "x");
    proxy.dropResponses();
    const heard = listen(client);
    client.write("effect");
    await expect.poll(() => requests).toBe("xeffect");
    serverSockets[0]?.resetAndDestroy();
    await delay(MOMENT);
    expect(heard).toEqual([]);
  });

  it("after so many bytes of each connection", async () => {
    const clientOne = await open();
    proxy.dropResponses({ after: 4 });
    const clientTwo = await open();
    for (const client of [clientOne, clientTwo]) {
      expect(await ask(client, "abc")).toBe("ABC");
      expect(await ask(client, "def")).toBe("D");
      expect(listen(client)).toEqual([]);
    }
    clientOne.write("ghi");
    await expect.poll(() => requests).toBe("abcdefabcdefghi");
    expect(proxy.counts).toMatchObject({ toClient: 8, dropped: 7 });
  });
});

describe("lose answer", () => {
  it("of the request with that text, once, on whichever connection it comes; the others get theirs", async () => {
    const [client, other] = [await open(), await open()];
    proxy.loseAnswer(new LostAnswer({ requests: ["steal"] }));
    expect(await ask(client, "first")).toBe("FIRST");
    const heard = listen(client);
    client.write("to steal");
    await expect.poll(() => heard).toEqual(["error", "close"]);
    expect(requests).toBe("firstto steal");
    expect(await ask(other, "to steal")).toBe("TO STEAL");
    expect(await ask(await open(), "to steal")).toBe("TO STEAL");
  });

  it("of a request that comes in pieces, on a connection that came later", async () => {
    proxy.loseAnswer(new LostAnswer({ requests: ["steal"] }));
    const client = await open();
    expect(await ask(client, "to st")).toBe("TO ST");
    const heard = listen(client);
    client.write("eal");
    await expect.poll(() => heard).toEqual(["error", "close"]);
    expect(requests).toBe("to steal");
  });

  it("with an end in good order", async () => {
    const client = await open();
    proxy.loseAnswer(new LostAnswer({ requests: ["steal"], how: "end" }));
    const heard = listen(client);
    client.write("steal");
    await expect.poll(() => heard).toEqual(["end", "close"]);
    expect(requests).toBe("steal");
  });

  it("but not one that passes: then the next request counts", async () => {
    proxy.loseAnswer(new LostAnswer({ requests: ["steal"], passes: /^NO/ }));
    const client = await open();
    expect(await ask(client, "no steal")).toBe("NO STEAL");
    expect(await ask(client, "other")).toBe("OTHER");
    const heard = listen(client);
    client.write("steal");
    await expect.poll(() => heard).toEqual(["error", "close"]);
  });
});

describe("slow", () => {
  it("delays each direction, and what follows is not delayed once more", async () => {
    const client = await open();
    await ask(client, "x");
    proxy.slow({ latency: 100 });
    const stopwatch = await startStopwatch();
    const begin = performance.now();
    const heard = listen(client);
    for (const letter of "abcdefghij") {
      client.write(letter);
      await delay(10);
    }
    await expect.poll(() => heard.join("")).toBe("ABCDEFGHIJ");
    const ran = await stopwatch();
    expect(performance.now() - begin).toBeGreaterThan(290);
    // One after the other they would take 2,000.
    expect(ran).toBeLessThan(1_200);
  });

  it("limits the rate, and the end comes last", async () => {
    const client = await open();
    await ask(client, "x");
    proxy.slow({ bytesPerSecond: 10_000 });
    const begin = performance.now();
    client.end("y".repeat(2_000));
    let received = 0;
    client.on("data", (chunk) => (received += chunk.length));
    await once(client, "close");
    expect(received).toBe(2_000);
    expect(performance.now() - begin).toBeGreaterThan(195);
  });

  it("loses what is on its way when a fault comes", async () => {
    const client = await open();
    await ask(client, "x");
    proxy.slow({ latency: 50 });
    client.write("on its way");
    await delay(10);
    proxy.halfOpen();
    await delay(2 * MOMENT);
    expect(requests).toBe("x");
    expect(proxy.counts.dropped).toBe(10);
  });
});

describe("refuse", () => {
  it("refuses new connections only, until pass on the same port", async () => {
    const client = await open();
    await proxy.refuse();
    const refused = connect(proxy.port, proxy.host);
    expect(await once(refused, "error")).toMatchObject([{ code: "ECONNREFUSED" }]);
    expect(await ask(client, "x")).toBe("X");
    await proxy.pass();
    expect(await ask(await open(), "y")).toBe("Y");
  });
});

it("is gone after close", async () => {
  const client = await open();
  const closed = once(client.resume(), "close");
  await proxy.close();
  await closed;
  await expect.poll(() => proxy.counts.open).toBe(0);
  expect(await once(connect(proxy.port, proxy.host), "error")).toMatchObject([{ code: "ECONNREFUSED" }]);
});

async function open(): Promise<Socket> {
  const client = connect(proxy.port, proxy.host);
  clients.push(client);
  client.on("error", () => {});
  await once(client, "connect");
  return client;
}

async function ask(client: Socket, text: string): Promise<string> {
  client.write(text);
  const [chunk] = (await once(client, "data")) as [Buffer];
  return chunk.toString();
}

/** What comes to the clients from now on, ends and errors included. */
function listen(...sockets: readonly Socket[]): string[] {
  const heard: string[] = [];
  for (const socket of sockets) {
    socket.on("data", (chunk) => heard.push(chunk.toString()));
    for (const event of ["end", "close", "error"]) socket.on(event, () => heard.push(event));
  }
  return heard;
}
