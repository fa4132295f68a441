/** What the loss of a session says: between a real session and a real server, each fault in its own words. */
import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { BridgeSession } from "../../bridge/src/session.ts";
import { BridgeProxy } from "../support/bridge-proxy.ts";
import { SidecarProcess } from "../support/sidecar-process.ts";
import { waitFor } from "../support/wait-for.ts";

/** Milliseconds: longer than ZeroMQ takes to notice a dead connection, and to try the next one. */
const SILENCE = 5_000;

async function open(endpoint: string, silence = SILENCE) {
  const lost: string[] = [];
  const session = new BridgeSession({
    endpoint,
    build: "0",
    worker: "w",
    incarnation: randomUUID(),
    database: null,
    openTimeout: 10_000,
    silence,
    onMessage: () => {},
    onLost: (error) => lost.push(error.message),
  });
  const { welcome } = await session.open();
  const loss = async () => {
    await waitFor("the session to be lost", () => lost.length > 0, 2 * SILENCE);
    return lost[0] ?? "";
  };
  return { session, pid: welcome.pid, loss };
}

describe.concurrent("BridgeSession - a server that falls silent because", () => {
  test("its loop is stuck, though ZeroMQ's thread answers", async () => {
    const server = await SidecarProcess.start("--authority-seconds", "60");
    const { session, pid, loss } = await open(server.endpoint);
    session.send({
      type: "submit",
      execution: randomUUID(),
      fence: 1,
      attempt: 1,
      task: "sample.hold_lock",
      content_type: "application/json",
      input: Buffer.from(`{"seconds": ${SILENCE / 1000 + 2}}`),
      timeout_seconds: null,
      timeout_grace_seconds: 0,
      options: {},
    });
    expect(await loss()).toBe(
      `The server at ${server.endpoint} has been silent for 5 s: it is connected and ZeroMQ's pings are answered, so its loop is stuck (pid ${pid}). Its log says in what.`,
    );
    await server.output.until(/No thread of the server ran for \d+\.\d s/);
    await server.stop();
  });

  test("its process is stopped", async () => {
    const server = await SidecarProcess.start("--authority-seconds", "60");
    const { pid, loss } = await open(server.endpoint);
    server.signal("SIGSTOP");
    expect(await loss()).toBe(
      `The server at ${server.endpoint} has been silent for 5 s: its process (pid ${pid}) is stopped, by SIGSTOP or a debugger. Continue it with kill -CONT ${pid}, or end it.`,
    );
    await server.stop();
  });

  test("its process has ended", async () => {
    const server = await SidecarProcess.start("--authority-seconds", "60");
    const { pid, loss } = await open(server.endpoint, 1_000);
    server.signal("SIGKILL");
    expect(await loss()).toBe(
      `The server at ${server.endpoint} has been silent for 1 s: nobody listens there any more: its process (pid ${pid}) has ended.`,
    );
    await server.stop();
  });

  test("nothing passes on the way", async () => {
    const server = await SidecarProcess.start("--authority-seconds", "60");
    const proxy = await BridgeProxy.listen(server.endpoint);
    const { pid, loss } = await open(proxy.endpoint);
    proxy.pass("hole");
    expect(await loss()).toBe(
      `The server at ${proxy.endpoint} has been silent for 5 s: connections are taken, but nothing answers, not even ZeroMQ's pings: its process (pid ${pid}) is stopped, or nothing passes on the way.`,
    );
    await proxy.close();
    await server.stop();
  });
});

describe.concurrent("a server's log - a worker that falls silent because", () => {
  test("nothing passes on the way", async () => {
    const server = await SidecarProcess.start("--authority-seconds", "60");
    const proxy = await BridgeProxy.listen(server.endpoint);
    const { session } = await open(proxy.endpoint);
    proxy.pass("hole");
    await server.output.until(/A worker fell silent, ZeroMQ's pings too/, 8_000);
    await session.close("the test is over", false);
    await proxy.close();
    await server.stop();
  });

  test("its process has ended", async () => {
    const server = await SidecarProcess.start("--authority-seconds", "60");
    const proxy = await BridgeProxy.listen(server.endpoint);
    const { session } = await open(proxy.endpoint);
    proxy.reset();
    await proxy.close();
    await server.output.until(/A worker's connection has ended: its process ended, or the network cut it/, 4_000);
    await session.close("the test is over", false);
    await server.stop();
  });
});
