import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { WORKER_CREDIT } from "../../bridge/src/hello.ts";
import { pack } from "../../bridge/src/messagepack.ts";
import type { ServerMessage } from "../../bridge/src/messages.ts";
import { BridgeSession } from "../../bridge/src/session.ts";
import type { SessionOptions } from "../../bridge/src/session-options.ts";
import { BridgeError, BridgeRefusedError } from "../../src/errors.ts";
import { EPOCH, HEARTBEAT, INVENTORY, REGISTRY, RouterPeer, SESSION, WELCOME } from "../support/router-peer.ts";
import { waitFor } from "../support/wait-for.ts";

const ACCEPTED = { type: "accepted", execution: "id", fence: 1 } as const;
const recorded = (fence: number) => ({ type: "recorded", attempts: [["id", fence]] }) as const;

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
  await session.close("the test is over", false);
  await peer.close();
});

function start(options: Partial<SessionOptions> = {}): BridgeSession {
  session = new BridgeSession({
    endpoint: peer.endpoint,
    build: "1.2.3",
    worker: "w",
    incarnation: randomUUID(),
    database: { system_id: "7012345678901234567", timeline: 1 },
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
  test("hello alone in its loose frame, then welcome, registry and inventory, then messages", async () => {
    const incarnation = randomUUID();
    const opened = start({ incarnation, role: "drain", replaces: ["dead"] }).open();
    const hello = await peer.receive();
    expect(hello).toEqual({
      protocol: 1,
      epoch: null,
      seq: 0,
      ack: 0,
      messages: [
        {
          type: "hello",
          protocol_min: 1,
          protocol_max: 1,
          build: "1.2.3",
          worker: "w",
          incarnation,
          hello: 1,
          role: "drain",
          replaces: ["dead"],
          resume: null,
          database: { system_id: "7012345678901234567", timeline: 1 },
          credit: WORKER_CREDIT,
          capabilities: [],
        },
      ],
    });
    expect(peer.worker).toBe(incarnation);
    await peer.send([WELCOME], { ack: 0 });
    await peer.send([REGISTRY, { type: "inventory", attempts: [["a", 7, "other", "RUNNING"]], last: false }]);
    await peer.send([{ type: "inventory", attempts: [["b", 8, incarnation, "ENDED"]], last: true }, ACCEPTED]);
    const inventory = [
      { id: "a", fence: 7, holder: "other", phase: "RUNNING" },
      { id: "b", fence: 8, holder: incarnation, phase: "ENDED" },
    ];
    expect(await opened).toEqual({ welcome: WELCOME, registry: REGISTRY, inventory });
    await peer.send([HEARTBEAT]);
    await waitFor("both messages", () => messages.length === 2);
    expect(messages).toEqual([ACCEPTED, HEARTBEAT]);
    expect(lost).toEqual([]);
  });

  test("a server that comes up later - is found", async () => {
    const opened = start({ endpoint: `${peer.endpoint}-later` }).open();
    const later = await RouterPeer.bind(`${peer.endpoint}-later`);
    await later.welcome();
    expect((await opened).welcome.session).toBe(SESSION);
    await session.close("done", false);
    await later.close();
  });

  test("a version that the server chose and this worker doesn't speak - refused, with both sides named", async () => {
    const opened = start().open();
    const refused = expect(opened).rejects.toThrow(
      new BridgeRefusedError(
        "PROTOCOL_MISMATCH",
        "The server (rayferry 0.1.0) chose protocol 2; this worker speaks 1 to 1. Install the same version on both sides.",
      ),
    );
    await peer.welcome({ protocol: 2 });
    await refused;
  });

  test("refused - the server's own sentence", async () => {
    const opened = expect(start().open()).rejects.toThrow(
      expect.objectContaining({
        constructor: BridgeRefusedError,
        message: "Worker speaks 1; this server speaks 2.",
        reason: "PROTOCOL_MISMATCH",
        epoch: EPOCH,
      }),
    );
    await peer.receiveHello();
    await peer.send([
      { type: "refused", hello: 1, code: "PROTOCOL_MISMATCH", message: "Worker speaks 1; this server speaks 2." },
    ]);
    await opened;
    expect(lost).toEqual([]);
  });

  test("answers to another hello - are ignored", async () => {
    const opened = start().open();
    await peer.receiveHello();
    await peer.send([{ type: "refused", hello: 9, code: "SESSION_TAKEN", message: "not yours" }]);
    await peer.send([{ ...WELCOME, hello: 9, build: "not yours" }]);
    await peer.send([WELCOME]);
    await peer.send([REGISTRY, INVENTORY]);
    expect((await opened).welcome.build).toBe("0.1.0");
  });

  test("nobody there - says where and how long", async () => {
    const endpoint = `${peer.endpoint}-nobody`;
    await expect(start({ endpoint, openTimeout: 60 }).open()).rejects.toThrow(
      `No server answered at ${endpoint} within 0.06 s: nobody listens there.`,
    );
    expect(lost).toEqual([]);
  });

  test("closed meanwhile - open() doesn't hang", async () => {
    const opened = expect(start().open()).rejects.toThrow(
      "The session was closed before the server answered: stop it.",
    );
    await session.close("stop it", true);
    await opened;
  });
});

describe("BridgeSession - sends", () => {
  test("messages of one turn share a frame; numbered and loose apart; acks say what has come", async () => {
    await openSession();
    session.send({ type: "authority", tick: 1 });
    session.send(recorded(1));
    session.send(recorded(2));
    const first = await peer.receive();
    expect(first).toMatchObject({ epoch: EPOCH, seq: 1, ack: 1, messages: [recorded(1), recorded(2)] });
    const second = await peer.receive();
    expect(second).toMatchObject({ seq: 0, ack: 1, messages: [{ type: "authority", tick: 1 }] });
    await peer.send([ACCEPTED]);
    await peer.send([ACCEPTED]);
    await waitFor("both", () => messages.length === 2);
    session.send(recorded(3));
    expect(await peer.receive()).toMatchObject({ seq: 2, ack: 3, messages: [recorded(3)] });
  });

  test("10,001 messages of one turn need two frames", async () => {
    await openSession();
    for (let fence = 1; fence <= 10_001; fence += 1) session.send(recorded(fence));
    expect((await peer.receive()).messages).toHaveLength(10_000);
    await peer.send([], { seq: 0 });
    expect((await peer.receive()).messages).toEqual([recorded(10_001)]);
  });

  test("close says why, behind what was sent before it", async () => {
    await openSession();
    session.send(recorded(1));
    await session.close("SIGTERM", true);
    expect((await peer.receive()).messages).toEqual([recorded(1), { type: "close", reason: "SIGTERM", stop: true }]);
    session.send(recorded(2));
    await session.close("again", true);
    expect(lost).toEqual([]);
  });

  test("a heartbeat each second - says how many it holds", async () => {
    await openSession({ held: () => 7 });
    expect((await peer.receiveAny()).messages).toEqual([{ type: "heartbeat", held: 7 }]);
    const began = performance.now();
    expect((await peer.receiveAny()).messages).toEqual([{ type: "heartbeat", held: 7 }]);
    expect(performance.now() - began).toBeGreaterThan(900);
  });

  test("large inputs - are cut into frames that the server takes", async () => {
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
        timeout_seconds: null,
        timeout_grace_seconds: 0,
        options: {},
      });
    }
    const counts: number[] = [];
    while (counts.reduce((sum, each) => sum + each, 0) < 8) counts.push((await peer.receive()).messages.length);
    expect(counts).toEqual([2, 2, 2, 2]);
  });
});

describe("BridgeSession - credit", () => {
  test("what the server grants - bounds what is outstanding; an ack lets the rest go", async () => {
    await Promise.all([start().open(), peer.welcome({ credit: { messages: 3, bytes: 1_000_000 } })]);
    for (let fence = 1; fence <= 5; fence += 1) session.send(recorded(fence));
    expect((await peer.receive()).messages).toEqual([recorded(1), recorded(2), recorded(3)]);
    expect(session.backlog).toBe(2);
    await peer.send([HEARTBEAT]);
    expect((await peer.receive()).messages).toEqual([recorded(4), recorded(5)]);
    expect(session.backlog).toBe(0);
  });

  test("one message larger than the credit - goes out when nothing is outstanding", async () => {
    await Promise.all([start().open(), peer.welcome({ credit: { messages: 1, bytes: 1 } })]);
    session.send(recorded(1));
    expect((await peer.receive()).messages).toEqual([recorded(1)]);
  });

  test("held - nothing is acknowledged; let go - at once", async () => {
    await openSession();
    session.send(recorded(1));
    await peer.receive();
    session.hold(true);
    await peer.send([ACCEPTED]);
    await waitFor("it came", () => messages.length === 1);
    session.send({ type: "authority", tick: 1 });
    expect((await peer.receive()).ack).toBe(1);
    session.hold(false);
    session.send({ type: "authority", tick: 2 });
    expect((await peer.receive()).ack).toBe(2);
  });

  test("a quarter of the worker's credit - is acknowledged by itself", async () => {
    await openSession();
    await peer.receiveAny();
    await peer.send(Array.from({ length: WORKER_CREDIT.messages / 4 }, () => ACCEPTED));
    const began = performance.now();
    let envelope = await peer.receiveAny();
    while (envelope.ack < 2) envelope = await peer.receiveAny();
    expect(envelope.messages).toEqual([]);
    expect(performance.now() - began).toBeLessThan(900);
  });
});

describe("BridgeSession - resumes", () => {
  test("after a lost connection - both sides' numbers go on, what the server hasn't got is sent again", async () => {
    await openSession();
    for (let fence = 1; fence <= 3; fence += 1) {
      session.send(recorded(fence));
      await peer.receive();
    }
    await peer.send([ACCEPTED], { ack: 1 });
    await waitFor("it came", () => messages.length === 1);
    await peer.reconnect();
    session.send(recorded(4));
    const hello = await peer.welcome({ resumed: true, received: 2 });
    expect(hello).toMatchObject({ hello: 2, resume: [SESSION, 2] });
    expect(await peer.receive()).toMatchObject({ seq: 3, messages: [recorded(3)] });
    expect(await peer.receive()).toMatchObject({ seq: 4, messages: [recorded(4)] });
    await peer.send([ACCEPTED]);
    await waitFor("the next one came", () => messages.length === 2);
    expect(lost).toEqual([]);
  });

  test("an ack below the last one - is ignored, and the frame counts", async () => {
    await openSession();
    for (let fence = 1; fence <= 3; fence += 1) {
      session.send(recorded(fence));
      await peer.receive();
    }
    await peer.send([ACCEPTED], { ack: 2 });
    await peer.send([{ ...ACCEPTED, fence: 2 }], { ack: 1 });
    await waitFor("both came", () => messages.length === 2);
    await peer.reconnect();
    await peer.welcome({ resumed: true, received: 2 });
    expect(await peer.receive()).toMatchObject({ seq: 3, messages: [recorded(3)] });
    expect(lost).toEqual([]);
  });

  test("the same hello answered twice - the second answer changes nothing", async () => {
    await openSession();
    await peer.send([WELCOME]);
    await peer.send([ACCEPTED]);
    await waitFor("the next one came", () => messages.length === 1);
    expect(lost).toEqual([]);
  });

  test("what comes again - is dropped", async () => {
    await openSession();
    await peer.send([ACCEPTED]);
    await waitFor("it came", () => messages.length === 1);
    await peer.send([{ ...ACCEPTED, fence: 2 }], { seq: 2 });
    await peer.send([{ ...ACCEPTED, fence: 3 }], { seq: 3 });
    await waitFor("the next one came", () => messages.length === 2);
    expect(messages).toEqual([ACCEPTED, { ...ACCEPTED, fence: 3 }]);
  });

  test.each([
    ["a gap in what comes", () => peer.send([ACCEPTED], { seq: 7 })],
    ["a gap that the server tells of", () => peer.send([{ type: "gap", received: 0 }])],
  ])("%s - hello again, and nothing behind it counts", async (_what, act) => {
    await openSession();
    await act();
    await peer.send([{ ...ACCEPTED, fence: 9 }], { seq: 8 });
    const hello = await peer.welcome({ resumed: true });
    expect(hello).toMatchObject({ hello: 2, resume: [SESSION, 1] });
    await peer.send([ACCEPTED]);
    await waitFor("the right one came", () => messages.length === 1);
    expect(messages).toEqual([ACCEPTED]);
  });

  test("interrupted between welcome and inventory - opens all the same", async () => {
    const opened = start().open();
    await peer.receiveHello();
    await peer.send([WELCOME], { ack: 0 });
    await peer.send([REGISTRY]);
    await waitFor("the registry came", async () => (await peer.receiveAny()).ack >= 0);
    await peer.reconnect();
    await peer.welcome();
    expect((await opened).registry).toEqual(REGISTRY);
  });

  test("a session that the server has forgotten - is lost, and says what to do", async () => {
    await openSession();
    await peer.reconnect();
    await peer.welcome({ resumed: false });
    expect((await loss()).message).toBe(
      "The server has forgotten the session: what it holds has to be compared with Postgres.",
    );
  });

  test("another server at the address - is none to go on with", async () => {
    await openSession();
    await peer.reconnect();
    await peer.receiveHello();
    await peer.send([{ type: "fault", code: "WRONG_EPOCH", message: "Expected epoch b." }], { epoch: "b", ack: 0 });
    expect((await loss()).message).toBe("Another server answers at this address: the one of this session is gone.");
  });
});

describe("BridgeSession - lost, told once", () => {
  test("a frame of another epoch", async () => {
    await openSession();
    await peer.send([ACCEPTED], { epoch: "another" });
    expect((await loss()).message).toBe("Another server answers at this address: the one of this session is gone.");
    expect(messages).toEqual([]);
  });

  test("an ack of what was never sent", async () => {
    await openSession();
    await peer.send([HEARTBEAT], { ack: 9 });
    expect((await loss()).message).toBe("The server acknowledged frame 9, but 0 was the last one sent.");
  });

  test("a frame of another protocol than the one agreed on", async () => {
    await openSession();
    await peer.sendBytes(pack([2, EPOCH, 2, 0, [["accepted", "id", 1]]]));
    expect((await loss()).message).toBe("A frame of protocol 2 came; 1 was agreed on.");
    expect(messages).toEqual([]);
  });

  test("a frame larger than any may be", async () => {
    await openSession();
    await peer.sendBytes(new Uint8Array(64 * 1024 * 1024 + 1));
    expect((await loss()).message).toMatch(/^A frame of 67108865 bytes came/);
  });

  test("a frame nested deeper than any may be", async () => {
    await openSession();
    await peer.sendBytes(new Uint8Array(1_000_000).fill(0x91));
    expect((await loss()).message).toBe("A frame came that is nested deeper than 32 levels.");
  });

  test("a fault - the server's sentence and code; what follows isn't delivered", async () => {
    await openSession();
    await peer.send([{ type: "fault", code: "BAD_SEQUENCE", message: "Expected an ack of at most 3." }, HEARTBEAT]);
    expect((await loss()).message).toBe("The server refused a frame: Expected an ack of at most 3. (BAD_SEQUENCE).");
    expect(messages).toEqual([]);
  });

  test("bytes that are no MessagePack", async () => {
    await openSession();
    await peer.sendBytes(new Uint8Array([0x95]));
    expect((await loss()).message).toBe("A malformed frame came: it ends before the values that it announces.");
  });

  test.each([
    ["that is no frame", pack({ hello: 1 }), /^A malformed frame came: expected an array of 5/],
    ["with a loose message under a number", pack([1, EPOCH, 2, 0, [["gap", 1]]]), /numbered messages, at least one/],
    ["without messages under a number", pack([1, EPOCH, 2, 0, []]), /numbered messages, at least one/],
    ["with a numbered message in a loose frame", pack([1, EPOCH, 0, 0, [["accepted", "x", 1]]]), /loose messages only/],
    ["with an unknown message", pack([1, EPOCH, 2, 0, [["dance"]]]), /expected one of welcome/],
  ])("MessagePack %s", async (_what, bytes, sentence) => {
    await openSession();
    await peer.sendBytes(bytes);
    expect((await loss()).message).toMatch(sentence);
  });

  test("silence - and each frame puts it off", async () => {
    await openSession({ silence: 150 });
    const begun = performance.now();
    await peer.send([HEARTBEAT]);
    expect((await loss()).message).toBe(
      `The server at ${peer.endpoint} has been silent for 0.15 s: it is connected and ZeroMQ's pings are answered, so its loop is stuck (pid 42). Its log says in what.`,
    );
    expect(performance.now() - begun).toBeGreaterThan(140);
    expect(messages).toEqual([HEARTBEAT]);
  });

  test("a connection that doesn't come back", async () => {
    await openSession({ silence: 300 });
    await peer.close();
    expect((await loss()).message).toBe(
      `The server at ${peer.endpoint} has been silent for 0.3 s: nobody listens there any more: its process (pid 42) has ended.`,
    );
    peer = await RouterPeer.bind();
  });
});
