/**
 * What answers at an address, read from the first 64 bytes of its ZMTP greeting (https://rfc.zeromq.org/spec/23).
 *
 * ZeroMQ itself says of most failed handshakes only that the pipe broke: whether for keys that don't fit, for keys on one side alone, or for a server
 * that was just ending. The greeting names the security mechanism and tells them apart.
 */
import { connect } from "node:net";

/** `silent`: nothing answered, or too little; it may be starting, stopped or overloaded. `foreign`: it isn't ZeroMQ. */
export type Greeting = "NULL" | "CURVE" | "other mechanism" | "foreign" | "silent";

const GREETING_BYTES = 64;
/** Signature and version: libzmq sends the rest of its own greeting once it has these, and waits for the rest of ours. */
const HELLO = Uint8Array.from([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 1]);

/**
 * Connects on its own, reads and leaves; never rejects. Where the mechanisms differ it says its own, so that the server's log has the reason too: in
 * ZeroMQ's own handshake, whichever side notices first hangs up, and the other hears nothing.
 */
export function readGreeting(endpoint: string, own: "NULL" | "CURVE", timeout: number): Promise<Greeting> {
  return new Promise((resolve) => {
    const socket = connect(addressOf(endpoint));
    const chunks: Buffer[] = [];
    const finish = (greeting: Greeting): void => {
      if (greeting === own || greeting === "foreign") socket.destroy();
      else socket.end(restOfGreeting(own));
      resolve(greeting);
    };
    const timer = setTimeout(() => socket.destroy(), timeout);
    socket.on("connect", () => socket.write(HELLO));
    socket.on("data", (chunk) => {
      chunks.push(chunk);
      const bytes = Buffer.concat(chunks);
      if (bytes[0] !== 0xff) finish("foreign");
      else if (bytes.length >= GREETING_BYTES) finish(mechanismOf(bytes));
    });
    // It closes after an error too.
    socket.on("error", () => {});
    socket.on("close", () => {
      clearTimeout(timer);
      resolve("silent");
    });
  });
}

/** Behind the version: mechanism, role of a client, filler. */
function restOfGreeting(mechanism: string): Buffer {
  const rest = Buffer.alloc(GREETING_BYTES - HELLO.length);
  rest.write(mechanism, "latin1");
  return rest;
}

function mechanismOf(greeting: Buffer): Greeting {
  const name = greeting.toString("latin1", 12, 32).replace(/\0+$/, "");
  return name === "NULL" || name === "CURVE" ? name : "other mechanism";
}

function addressOf(endpoint: string): { path: string } | { host: string; port: number } {
  if (endpoint.startsWith("ipc://")) return { path: endpoint.slice("ipc://".length) };
  const colon = endpoint.lastIndexOf(":");
  const host = endpoint.slice("tcp://".length, colon).replace(/^\[|\]$/g, "");
  return { host, port: Number(endpoint.slice(colon + 1)) };
}
