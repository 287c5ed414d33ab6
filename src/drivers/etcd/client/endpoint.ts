import { connect as connectPlain, isIP, type Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions } from "node:tls";

/** `tls`: for `tls.connect`, where the endpoint speaks TLS. */
export type Endpoint = Readonly<{ host: string; port: number; tls: ConnectionOptions | undefined }>;

export const shownEndpoint = ({ host, port }: Endpoint): string => `${host.includes(":") ? `[${host}]` : host}:${port}`;

export function socketTo({ host, port, tls }: Endpoint): Socket {
  if (tls === undefined) return connectPlain({ host, port, noDelay: true });
  const name = isIP(host) === 0 ? { servername: host } : {};
  const socket = connectTls({ host, port, ...name, ALPNProtocols: ["h2"], ...tls });
  socket.setNoDelay(true);
  return socket;
}
