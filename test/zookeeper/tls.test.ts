import { zookeeperQueue } from "jobferry/zookeeper";
import { silentLogger } from "../../src/runtime/index.ts";
import { testTlsMismatch } from "../faults/tls-mismatch.ts";

await testTlsMismatch("zookeeper", {
  server: "zookeeper",
  open: (port, trust) => {
    const { ca, name } = trust ?? {};
    const tls = { ...(ca === undefined ? {} : { ca }), ...(name === undefined ? {} : { servername: name }) };
    const scheme = trust === undefined ? "zookeeper" : "zookeepers";
    const options = { logger: silentLogger, ...(trust === undefined ? {} : { tls }) };
    return zookeeperQueue(`${scheme}://127.0.0.1:${port}`, options);
  },
  advice: /zookeepers:\/\/.*tls\.ca/,
});
