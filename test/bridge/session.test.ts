import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { pack } from "../../bridge/src/messagepack.ts";
import type { ServerMessage } from "../../bridge/src/messages.ts";
import { BridgeSession, type SessionOptions } from "../../bridge/src/session.ts";
import { BridgeError, BridgeRefusedError } from "../../src/errors.ts";
import { EPOCH, REGISTRY, RouterPeer, WELCOME } from "../support/router-peer.ts";
import { waitFor } from "../support/wait-for.ts";

const HEARTBEAT = { type: "heartbeat", tick: 1, running: 0, unrecorded: 0 } as const;
const ACCEPTED = { type: "accepted", execution: "id", fence: 1 } as const;

let peer: RouterPeer;
let session: BridgeSession;
let messages: ServerMessage[];
let lost: BridgeError[];

beforeEach(async () => {
  peer = await RouterPeer.bind();
  messages = [];
  lost = [];
});

afterEach(async () => {
  await session.close("the test is over");
  await peer.close();
});

function start(options: Partial<SessionOptions> = {}): BridgeSession {
  session = new BridgeSession({
    endpoint: peer.endpoint,
    build: "1.2.3",
    worker: "w",
    incarnation: randomUUID(),
    databaseSystemId: "7012345678901234567",
    openTimeout: 5_000,
    onMessage: (message) => messages.push(message),
    onLost: (error) => lost.push(error),
    ...options,
  });
  return session;
}

async function openSession(options: Partial<SessionOptions> = {}): Promise<void> {
  await Promise.all([start(options).open(), peer.welcome()]);
}

async function loss(): Promise<BridgeError> {
  await waitFor("the session to be lost", () => lost.length > 0, 3_000);
  expect(lost).toHaveLength(1);
  expect(lost[0]).toBeInstanceOf(BridgeError);
  return lost[0] ?? expect.fail();
}

describe("BridgeSession - opens", () => {
  test("hello alone in its frame, then welcome and registry, then messages", async () => {
    const incarnation = randomUUID();
    const opened = start({ incarnation }).open();
    const hello = await peer.receive();
    expect(hello).toEqual({
      protocol: 1,
      epoch: null,
      seq: 1,
      ack: 0,
      messages: [
        {
          type: "hello",
          protocol_min: 1,
          protocol_max: 1,
          build: "1.2.3",
          worker: "w",
          incarnation,
          database_system_id: "7012345678901234567",
          capabilities: [],
        },
      ],
    });
    expect(peer.worker).toBe(incarnation);
    await peer.send([WELCOME]);
    await peer.send([REGISTRY, HEARTBEAT]);
    expect(await opened).toEqual({ welcome: WELCOME, registry: REGISTRY });
    await peer.send([ACCEPTED]);
    await waitFor("both messages", () => messages.length === 2);
    expect(messages).toEqual([HEARTBEAT, ACCEPTED]);
    expect(lost).toEqual([]);
  });

  test("a version that the server chose and this worker doesn't speak - refused, with both sides named", async () => {
    const opened = start().open();
    await peer.receive();
    const refused = expect(opened).rejects.toThrow(
      new BridgeRefusedError(
        "The sidecar (rayferry 0.1.0) chose protocol 2; this worker speaks 1 to 1. Install the same version on both sides.",
      ),
    );
    await peer.send([{ ...WELCOME, protocol: 2 }, REGISTRY]);
    await refused;
  });

  test("refused - the server's own sentence", async () => {
    const opened = expect(start().open()).rejects.toThrow(
      expect.objectContaining({ constructor: BridgeRefusedError, message: "Worker speaks 1; this server speaks 2." }),
    );
    await peer.receive();
    await peer.send([
      { type: "refused", code: "PROTOCOL_MISMATCH", message: "Worker speaks 1; this server speaks 2." },
    ]);
    await opened;
    expect(lost).toEqual([]);
  });

  test("nobody there - says where and how long", async () => {
    const endpoint = `${peer.endpoint}-nobody`;
    await expect(start({ endpoint, openTimeout: 60 }).open()).rejects.toThrow(
      `No server answered at ${endpoint} within 0.06 s.`,
    );
    expect(lost).toEqual([]);
  });

  test("closed meanwhile - open() doesn't hang", async () => {
    const opened = expect(start().open()).rejects.toThrow(
      "The session was closed before the server answered: stop it.",
    );
    await session.close("stop it");
    await opened;
  });
});

describe("BridgeSession - sends", () => {
  test("messages of one turn share a frame; numbers count up, acks say what has come", async () => {
    await openSession();
    session.send({ type: "authority", tick: 1 });
    session.send({ type: "recorded", attempts: [["id", 1]] });
    const first = await peer.receive();
    expect(first).toMatchObject({ epoch: EPOCH, seq: 2, ack: 1 });
    expect(first.messages.map((each) => each.type)).toEqual(["authority", "recorded"]);
    await peer.send([HEARTBEAT]);
    await peer.send([HEARTBEAT]);
    await waitFor("both heartbeats", () => messages.length === 2);
    session.send({ type: "authority", tick: 2 });
    expect(await peer.receive()).toMatchObject({ epoch: EPOCH, seq: 3, ack: 3, messages: [{ tick: 2 }] });
  });

  test("10,001 messages of one turn need two frames", async () => {
    await openSession();
    for (let tick = 0; tick < 10_001; tick += 1) session.send({ type: "authority", tick });
    expect((await peer.receive()).messages).toHaveLength(10_000);
    expect((await peer.receive()).messages).toEqual([{ type: "authority", tick: 10_000 }]);
  });

  test("close says why, behind what was sent before it", async () => {
    await openSession();
    session.send({ type: "authority", tick: 1 });
    await session.close("SIGTERM");
    expect((await peer.receive()).messages).toEqual([
      { type: "authority", tick: 1 },
      { type: "close", reason: "SIGTERM" },
    ]);
    session.send({ type: "authority", tick: 2 });
    await session.close("again");
    expect(lost).toEqual([]);
  });
});

describe("BridgeSession - lost, told once", () => {
  test("a frame of another epoch", async () => {
    await openSession();
    await peer.send([ACCEPTED], { epoch: "another" });
    expect((await loss()).message).toBe("A frame of another server's epoch came.");
    expect(messages).toEqual([]);
  });

  test.each([
    ["a gap", 3, "Frame 3 came where 2 was expected."],
    ["a repetition", 1, "Frame 1 came where 2 was expected."],
  ])("%s in the sequence", async (_what, seq, sentence) => {
    await openSession();
    await peer.send([ACCEPTED], { seq });
    expect((await loss()).message).toBe(sentence);
    expect(messages).toEqual([]);
  });

  test("a fault - the server's sentence and code; what follows isn't delivered", async () => {
    await openSession();
    await peer.send([{ type: "fault", code: "BAD_SEQUENCE", message: "Expected frame 3, got frame 5." }, ACCEPTED]);
    expect((await loss()).message).toBe("The sidecar refused a frame: Expected frame 3, got frame 5. (BAD_SEQUENCE).");
    expect(messages).toEqual([]);
  });

  test("bytes that are no MessagePack", async () => {
    await openSession();
    await peer.sendBytes(new Uint8Array([0x95]));
    expect((await loss()).message).toBe("A frame came that isn't MessagePack.");
  });

  test("MessagePack that is no frame", async () => {
    await openSession();
    await peer.sendBytes(pack({ hello: 1 }));
    expect((await loss()).message).toMatch(/^A malformed frame came: expected an array of 5/);
  });

  test("silence - and each frame puts it off", async () => {
    await openSession({ silence: 150 });
    const begun = performance.now();
    await peer.send([HEARTBEAT]);
    expect((await loss()).message).toBe("The sidecar has been silent for 0.15 s.");
    expect(performance.now() - begun).toBeGreaterThan(140);
    expect(messages).toEqual([HEARTBEAT]);
  });
});

describe("BridgeSession - large inputs", () => {
  test("are cut into frames that the server takes", async () => {
    await openSession();
    const input = new Uint8Array(1_500_000);
    for (let fence = 1; fence <= 8; fence += 1) {
      session.send({
        type: "submit",
        execution: "id",
        fence,
        attempt: 1,
        task: "t",
        content_type: "application/json",
        input,
        options: {},
      });
    }
    const counts: number[] = [];
    while (counts.reduce((sum, each) => sum + each, 0) < 8) counts.push((await peer.receive()).messages.length);
    expect(counts).toEqual([2, 2, 2, 2]);
  });
});
