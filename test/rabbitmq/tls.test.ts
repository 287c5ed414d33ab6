import { rabbitmqQueue } from "jobferry/rabbitmq";
import { silentLogger } from "../../src/runtime/index.ts";
import { testTlsMismatch } from "../faults/tls-mismatch.ts";

await testTlsMismatch("rabbitmq", {
  server: "rabbitmq",
  open: (port, trust) => {
    const { ca, name } = trust ?? {};
    const tls = { ...(ca === undefined ? {} : { ca }), ...(name === undefined ? {} : { servername: name }) };
    const scheme = trust === undefined ? "amqp" : "amqps";
    const options = { logger: silentLogger, ...(trust === undefined ? {} : { tls }) };
    return rabbitmqQueue(`${scheme}://guest:guest@127.0.0.1:${port}/`, options);
  },
  advice: /amqps:\/\/.*tls\.ca/,
});
