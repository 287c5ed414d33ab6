type Address = Readonly<{ host: string; port: number }>;
/** `nodeAddressMap` of a cluster client of the package `redis`: where a client finds the node of which the servers tell that address. */
type NodeAddressMap = Readonly<Record<string, Address>> | ((address: string) => Address | undefined);

/**
 * The map with an object of its own for every question. `redis` 6.3.1 writes `reconnectStrategy: false` into the object that it was given as a node's address
 * when it asks that node for the slots; a client that is made with the same object later is closed for good by the first loss of its connection.
 */
function ownAddresses(map: NodeAddressMap): (address: string) => Address | undefined {
  return (address) => {
    const found = typeof map === "function" ? map(address) : map[address];
    return found && { host: found.host, port: found.port };
  };
}

/** Those options of a cluster client that must not be shared with another client. */
export function unshared(options: object | undefined): object {
  if (options === undefined || !("nodeAddressMap" in options)) return {};
  const { nodeAddressMap } = options as Readonly<{
    nodeAddressMap?: NodeAddressMap;
  }>;
  return nodeAddressMap === undefined ? {} : { nodeAddressMap: ownAddresses(nodeAddressMap) };
}
