export type { AmqpChannel, AmqpClient, AmqpConfirmChannel, AmqpMessage } from "./client.ts";
export { rabbitmqDriver } from "./driver.ts";
export type { RabbitmqDriverOptions } from "./options.ts";
