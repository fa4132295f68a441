/** The worker's socket against the server's real one, over real ZeroMQ: what it tells, and how soon. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { createServer as createTcpServer, type Server as TcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { CurveOptions } from "../../bridge/src/keys.ts";
import { judge } from "../../bridge/src/refusal.ts";
import { type BridgeSocket, makeKeyPair, openSocket } from "../../bridge/src/socket.ts";
import { BridgeError, BridgeSecurityError } from "../../src/errors.ts";
import { LinkPeer, type LinkPeerOptions } from "../support/link-peer.ts";
import { waitFor } from "../support/wait-for.ts";

const SERVER = makeKeyPair();
const CLIENT = makeKeyPair();
const STRANGER = makeKeyPair();
const KEYS: CurveOptions = { serverKey: SERVER.publicKey, ...CLIENT };
const CURVE = { pair: SERVER, clients: [CLIENT.publicKey] };
const PLAIN = { pair: null };
/** A refusal comes within 1 s; asserted at three times that. */
const PROMPT = 3_000;

let folder: string;
let sockets: BridgeSocket[];
let peers: LinkPeer[];
let told: string[];
let refused: BridgeError[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rf-"));
  [sockets, peers, told, refused] = [[], [], [], []];
});

afterEach(async () => {
  for (const each of sockets) each.close();
  await Promise.all(peers.map((each) => each.kill()));
  rmSync(folder, { recursive: true, force: true });
});

async function startPeer(options: LinkPeerOptions): Promise<LinkPeer> {
  const peer = await LinkPeer.start(options);
  peers.push(peer);
  return peer;
}

function open(endpoint: string, curve: CurveOptions | null): BridgeSocket {
  const socket = openSocket(
    { endpoint, routingId: "worker", curve },
    {
      onConnected: () => told.push("connected"),
      onDisconnected: () => told.push("disconnected"),
      onRefused: (error) => refused.push(error),
    },
  );
  sockets.push(socket);
  return socket;
}

const tells = (events: readonly string[], timeoutMs?: number) =>
  waitFor(events.join(", "), () => told.length >= events.length, timeoutMs).then(() => expect(told).toEqual(events));

async function refusal(): Promise<BridgeError> {
  await waitFor("a refusal", () => refused.length > 0, PROMPT);
  expect(told).toEqual([]);
  expect(refused).toHaveLength(1);
  return refused[0] ?? expect.fail();
}

async function echoes(socket: BridgeSocket, text: string): Promise<void> {
  await socket.send(Buffer.from(text));
  for await (const frame of socket.frames()) {
    expect(Buffer.from(frame).toString()).toBe(text);
    return;
  }
}

describe.each([
  ["ipc", "without keys", PLAIN, null],
  ["ipc", "with CURVE", CURVE, KEYS],
  ["tcp", "without keys", PLAIN, null],
  ["tcp", "with CURVE", CURVE, KEYS],
] as const)("openSocket - over %s %s", (transport, _how, peerOptions, curve) => {
  const endpoint = () => (transport === "ipc" ? { endpoint: `ipc://${join(folder, "s")}` } : {});

  test("tells of the connection, its loss, and the next one; sends only while one stands", async () => {
    const peer = await startPeer({ ...endpoint(), ...peerOptions });
    const socket = open(peer.endpoint, curve);
    await expect(socket.send(Buffer.from("early"))).rejects.toThrow("No connection to");
    await tells(["connected"]);
    await echoes(socket, "one");
    await peer.kill();
    await tells(["connected", "disconnected"], PROMPT);
    await expect(socket.send(Buffer.from("lost"))).rejects.toThrow(BridgeError);
    await startPeer({ ...peerOptions, endpoint: peer.endpoint });
    await tells(["connected", "disconnected", "connected"]);
    await echoes(socket, "two");
    expect(refused).toEqual([]);
  });
});

describe("openSocket - a peer that doesn't answer", () => {
  test("frozen - told after the heartbeats' 3 s, and of its return", async () => {
    const peer = await startPeer(CURVE);
    open(peer.endpoint, KEYS);
    await tells(["connected"]);
    peer.signal("SIGSTOP");
    await tells(["connected", "disconnected"], 10_000);
    peer.signal("SIGCONT");
    await tells(["connected", "disconnected", "connected"]);
    expect(refused).toEqual([]);
  });

  test("not there yet - connects once it is", async () => {
    const endpoint = `ipc://${join(folder, "s")}`;
    open(endpoint, null);
    expect(told).toEqual([]);
    await startPeer({ endpoint, ...PLAIN });
    await tells(["connected"]);
  });

  test.each([
    ["with keys", KEYS, CURVE],
    ["without", null, PLAIN],
  ] as const)("a proxy that hangs up on it, %s - isn't refused: its server may come", async (_how, curve, peer) => {
    let hungUp = 0;
    const proxy = createTcpServer((connection) => {
      hungUp += 1;
      connection.destroy();
    });
    const endpoint = await listen(proxy);
    open(endpoint, curve);
    await waitFor("a dozen attempts", () => hungUp >= 12);
    await new Promise((resolve) => proxy.close(resolve));
    await startPeer({ endpoint, ...peer });
    await tells(["connected"]);
    expect(refused).toEqual([]);
  });
});

describe("openSocket - refused within a second, with a sentence on both sides", () => {
  test.each([
    [
      "an unknown client key",
      CURVE,
      { serverKey: SERVER.publicKey, ...STRANGER },
      "UNKNOWN_CLIENT_KEY",
      "doesn't know this worker's key",
      "Refused a client: its key isn't an allowed one.",
    ],
    [
      "another server's key",
      CURVE,
      { ...KEYS, serverKey: STRANGER.publicKey },
      "WRONG_SERVER_KEY",
      "isn't the one with the public key",
      "Refused a client that has another server's public key",
    ],
    [
      "halves that don't belong together",
      CURVE,
      { ...KEYS, publicKey: STRANGER.publicKey },
      "WRONG_SERVER_KEY",
      "two halves",
      "Refused a client that has another server's public key",
    ],
    [
      "no key",
      CURVE,
      null,
      "KEY_NEEDED",
      "takes only workers with a key, and this one has none",
      "Refused a client without a key",
    ],
    [
      "a key that the server has no use for",
      PLAIN,
      KEYS,
      "KEY_UNWANTED",
      "has no key, and this worker expects",
      "Refused a client that expects CURVE",
    ],
  ] as const)("%s", async (_what, peerOptions, curve, reason, says, logs) => {
    const peer = await startPeer(peerOptions);
    open(peer.endpoint, curve);
    const error = await refusal();
    expect(error).toBeInstanceOf(BridgeSecurityError);
    expect(error).toMatchObject({ reason, message: expect.stringContaining(says) });
    expect(error.message).toContain(peer.endpoint);
    await peer.logged(logs, PROMPT);
  });

  test("an unknown client key - the server's log names it by its beginning, and the address", async () => {
    const peer = await startPeer(CURVE);
    open(peer.endpoint, { serverKey: SERVER.publicKey, ...STRANGER });
    const line = await peer.logged("Refused a client", PROMPT);
    expect(line).toMatchObject({ level: "warn", client_key: STRANGER.publicKey.slice(0, 8), address: "127.0.0.1" });
    expect((await refusal()).message).toContain(STRANGER.publicKey.slice(0, 8));
  });

  test("a refused socket stops knocking, and others connect", async () => {
    const peer = await startPeer(CURVE);
    open(peer.endpoint, null);
    await refusal();
    const socket = open(peer.endpoint, KEYS);
    await tells(["connected"]);
    await echoes(socket, "hello");
    const count = peer.log.length;
    await echoes(socket, "x".repeat(1_000_000));
    expect(peer.log).toHaveLength(count);
  });

  test.each([
    ["with keys", KEYS],
    ["without", null],
  ])("a web server, %s", async (_how, curve) => {
    const server = createServer((_request, response) => response.end("hello"));
    const endpoint = await listen(server);
    open(endpoint, curve);
    expect((await refusal()).message).toBe(
      `What answers at ${endpoint} isn't a server of rayferry. Correct the address.`,
    );
    server.closeAllConnections();
    server.close();
  });

  test.each(["nowhere", "foo://x", "tcp://host"])("an endpoint like %s - thrown at once", (endpoint) => {
    expect(() => open(endpoint, null)).toThrow(BridgeError);
  });
});

describe("judge", () => {
  test.each([
    ["silent", true, 100, null],
    ["foreign", false, 0, "NOT_ZEROMQ"],
    ["other mechanism", false, 0, "NOT_ZEROMQ"],
    ["NULL", false, 100, null],
    ["NULL", true, 1, "KEY_UNWANTED"],
    ["CURVE", false, 1, "KEY_NEEDED"],
    ["CURVE", true, 2, null],
    ["CURVE", true, 3, "WRONG_SERVER_KEY"],
  ] as const)("%s, has a key: %s, failed %d times - %s", (greeting, hasKey, failures, verdict) => {
    expect(judge(greeting, hasKey, failures)).toBe(verdict);
  });
});

async function listen(server: Server | TcpServer): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return `tcp://127.0.0.1:${address.port}`;
}
