import { connect, createServer, type Socket } from "node:net";

/** A TCP proxy in front of Postgres that can fall silent: connections stay open, and nothing passes any more. */
export interface Proxy {
  /** The URL it was made for, by way of this proxy. */
  readonly url: string;
  /** From now on, or no longer. */
  freeze(frozen: boolean): void;
  close(): Promise<void>;
}

/** On a free port, unless one is named. */
export async function startProxy(databaseUrl: string, port = 0): Promise<Proxy> {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => sockets.delete(socket));
    }
    client.pipe(upstream).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", () => resolve()));
  const address = server.address();
  const url = new URL(databaseUrl);
  url.port = String(typeof address === "object" && address !== null ? address.port : 0);
  return {
    url: url.href,
    freeze(frozen) {
      for (const socket of sockets) {
        if (frozen) socket.pause();
        else socket.resume();
      }
    },
    close() {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
