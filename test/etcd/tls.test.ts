import { etcdQueue } from "jobferry/etcd";
import { silentLogger } from "../../src/runtime/index.ts";
import { testTlsMismatch } from "../faults/tls-mismatch.ts";

await testTlsMismatch("etcd", {
  server: "etcd",
  open: (port, trust) => {
    const { ca, name } = trust ?? {};
    const tls = { ...(ca === undefined ? {} : { ca }), ...(name === undefined ? {} : { servername: name }) };
    const scheme = trust === undefined ? "etcd" : "etcds";
    return etcdQueue(`${scheme}://127.0.0.1:${port}`, {
      logger: silentLogger,
      ...(trust === undefined ? {} : { tls }),
    });
  },
  advice: /etcds:\/\/.*tls\.ca/,
});
