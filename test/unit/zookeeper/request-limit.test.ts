import { expect, test } from "vitest";
import type { Connection } from "../../../src/drivers/zookeeper/client/connection.ts";
import { RequestLimit } from "../../../src/drivers/zookeeper/client/request-limit.ts";
import { frameOf, type Request } from "../../../src/drivers/zookeeper/client/requests.ts";
import { answerError, Code, ZookeeperError } from "../../../src/drivers/zookeeper/client/zookeeper-error.ts";
import { virtualClock } from "../../../src/testing/virtual-clock.ts";

const address = { host: "h", port: 1 };

/** `most`: of a server that ends the connection beneath what is larger. */
function server(most: number) {
  const clock = virtualClock();
  const state = { most, asked: 0, isAway: false };
  const connect = async (): Promise<Connection> => {
    if (state.isAway) throw new ZookeeperError("refused", "It is away.");
    state.asked += 1;
    const connection = {
      cutOffBytes: 0,
      destroy: () => undefined,
      call: async (request: Request) => {
        const bytes = frameOf(request, 1).length - 4;
        if (bytes <= state.most) throw answerError(Code.noNode, "/");
        connection.cutOffBytes = bytes;
        throw new ZookeeperError("lost", "It ended the connection.");
      },
    };
    return connection as unknown as Connection;
  };
  const limit = new RequestLimit({ clock, most: 1_048_575, connect });
  return { clock, state, limit };
}

test.each([5_000, 20_000, 300_000, 1_000_000])("a limit of %i bytes is found to a sixteenth", async (most) => {
  const { state, limit } = server(most);
  await limit.suspect(address, 1_048_575);
  expect(limit.bytes).toBeLessThanOrEqual(most);
  expect(limit.bytes).toBeGreaterThanOrEqual(most / 1.07);
  expect(state.asked).toBeLessThan(12);
});

test("a server that takes as much, is away, or refuses everything has no limit that is known", async () => {
  const { state, limit } = server(1_048_575);
  await limit.suspect(address, 500_000);
  state.isAway = true;
  await limit.suspect(address, 500_000);
  Object.assign(state, { isAway: false, most: 0 });
  await limit.suspect(address, 500_000);
  expect(limit.bytes).toBe(1_048_575);
});

test("after a minute one question tells whether the limit is another, and nothing is asked before", async () => {
  const { clock, state, limit } = server(20_000);
  await limit.suspect(address, 100_000);
  const asked = state.asked;
  expect(await limit.isLifted(address)).toBe(false);
  expect(state.asked).toBe(asked);
  await clock.advance("61s");
  expect(await limit.isLifted(address)).toBe(false);
  expect(await limit.isLifted(address)).toBe(false);
  expect(state.asked).toBe(asked + 1);
  state.most = 1_000_000;
  await clock.advance("61s");
  expect(await limit.isLifted(address)).toBe(true);
  expect(limit.bytes).toBe(1_048_575);
});
