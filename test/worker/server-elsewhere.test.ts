/** A worker whose server somebody started by hand; with the runner without Ray. What waits for leases is in server-elsewhere.slow.test.ts. */
import { createServer } from "node:net";
import { hostname } from "node:os";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { makeKeyPair, writeKeyPair } from "../../bridge/src/index.ts";
import { freePort } from "../../src/dev/free-port.ts";
import { cli } from "../support/cli.ts";
import { ElsewhereStage } from "../support/elsewhere.ts";
import { waitFor } from "../support/wait-for.ts";

let stage: ElsewhereStage;

beforeAll(async () => {
  stage = await ElsewhereStage.open();
});
afterEach(() => stage.clear());
afterAll(() => stage?.close());

describe("a worker with a server elsewhere", () => {
  test("with keys - runs tasks there, and has no sidecar", async () => {
    const [serverPair, clientPair] = [makeKeyPair(), makeKeyPair()];
    const serverFiles = writeKeyPair(stage.folder.path, "server", "server", serverPair);
    const clientFiles = writeKeyPair(stage.folder.path, "client", "client", clientPair);
    const server = await stage.serve("tcp://127.0.0.1:0", [
      "--keys",
      serverFiles.keyFile,
      "--clients",
      clientFiles.publicFile,
    ]);
    const { worker, name } = stage.worker(server.endpoint, {
      keys: clientFiles.keyFile,
      serverKey: serverFiles.publicFile,
    });
    const ready = await worker.start();
    expect(ready.sidecarPid).toBeNull();
    expect(ready.welcome.pid).toBe(server.pid);
    expect(await (await stage.backend.enqueue("sample.add", { a: 40 })).result({ timeout: 10 })).toBe(42);
    const [row] =
      await stage.sql`select endpoint, outlives, actor_name from rayferry.task_sidecar where worker = ${name}`;
    expect(row).toEqual({ endpoint: server.endpoint, outlives: true, actor_name: null });
  });

  test("that nobody has started yet - keeps deadlines meanwhile, of any queue", async () => {
    const { worker, name } = stage.worker(`tcp://127.0.0.1:${await freePort()}`);
    void worker.start().catch(() => {});
    const lease = () =>
      stage.sql`select leads from rayferry.task_worker_lease where name = ${name} and state = 'STARTING'`;
    await waitFor("it waits for its server, and leads", async () => (await lease())[0]?.["leads"] === true);
    const overdue = await stage.backend.enqueue("sample.add", { a: 1 }, { queue: "nobodys", queueTimeout: 0.2 });
    // By itself: the backend would expire what it reads.
    const row = () => stage.sql`select state from rayferry.ray_task_execution where id = ${overdue.id}`;
    await waitFor("its deadline is kept", async () => (await row())[0]?.["state"] === "EXPIRED", 2_000);
  });

  test("its first tick is echoed at once, for the server's authority may be about to end", async () => {
    const server = await stage.serve();
    const { worker, name } = stage.worker(server.endpoint);
    await worker.start();
    const renewed = () => stage.sql`select from rayferry.task_sidecar
      where worker = ${name} and authority_until > started_at + interval '8 seconds'`;
    // The next beat would be 2 s after the first.
    await waitFor("a beat has renewed it", async () => (await renewed()).length === 1, 1_000);
  });

  test("its stop leaves the server alone, which serves the next worker", async () => {
    const server = await stage.serve();
    for (const _ of [1, 2]) {
      const { worker } = stage.worker(server.endpoint);
      await worker.start();
      expect(await (await stage.backend.enqueue("sample.add", { a: 1 })).result({ timeout: 10 })).toBe(3);
      await worker.stop();
    }
    expect(server.lives).toBe(1);
    expect(await server.end()).toBe(0);
  });

  test("stopped - short work ends within its grace and is recorded", async () => {
    const server = await stage.serve();
    const { worker, said } = stage.worker(server.endpoint);
    await worker.start();
    const { execution, open } = await stage.heldExecution();
    const stopped = worker.stop(30);
    await waitFor("it waits for it", () => said.includes("waiting for running work"));
    await open();
    await stopped;
    expect(await execution.refresh()).toMatchObject({ state: "SUCCEEDED", attempt: 1, infrastructureLosses: 0 });
  });

  test("stopped - what hasn't begun is handed back, what outlasts the grace goes on and is adopted", async () => {
    const server = await stage.serve();
    const { worker } = stage.worker(server.endpoint, { concurrency: 2 });
    await worker.start();
    const { execution, open } = await stage.heldExecution();
    const waiting = await stage.backend.enqueue("sample.add", { a: 1 });
    await waitFor("both are held", async () => (await waiting.refresh()).state === "RUNNING");
    await worker.stop(0);
    expect(await execution.refresh()).toMatchObject({ state: "RUNNING", attempt: 1 });
    expect(await waiting.refresh()).toMatchObject({ state: "QUEUED", attempt: 0, infrastructureLosses: 0 });
    const next = stage.worker(server.endpoint);
    await next.worker.start();
    expect((await execution.refresh()).worker).toBe(next.name);
    await open();
    expect(await execution.result({ timeout: 10 })).toBe(server.pid);
    expect(await waiting.result({ timeout: 10 })).toBe(3);
    expect(await execution.refresh()).toMatchObject({ attempt: 1, infrastructureLosses: 0 });
  });

  test("a second worker - stands by, says who has the server, and takes its place and its work when that one stops", async () => {
    const server = await stage.serve();
    const first = stage.worker(server.endpoint);
    await first.worker.start();
    const { execution, open } = await stage.heldExecution();
    const second = stage.worker(server.endpoint);
    const started = second.worker.start();
    const sentence = `The server has its worker: worker ${first.name} on host ${hostname()} (pid ${process.pid}). Standing by, to take its place when it is gone.`;
    await waitFor("it says who has it", () => second.said.includes(sentence));
    await first.worker.stop(0);
    await started;
    expect((await execution.refresh()).worker).toBe(second.name);
    await open();
    expect(await execution.result({ timeout: 10 })).toBe(server.pid);
    expect(second.said.filter((each) => each === sentence)).toHaveLength(1);
  });

  test("one that stands by - can be stopped", async () => {
    const server = await stage.serve();
    await stage.worker(server.endpoint).worker.start();
    const { worker, said } = stage.worker(server.endpoint);
    const started = worker.start();
    const refused = expect(started).rejects.toThrow("The worker was stopped while it started.");
    await waitFor("it stands by", () => said.some((each) => each.includes("Standing by")));
    await worker.stop();
    await refused;
  });

  test("a server that isn't there yet - is waited for, by its address", async () => {
    const endpoint = `tcp://127.0.0.1:${await freePort()}`;
    const { worker, said } = stage.worker(endpoint);
    const started = worker.start();
    await waitFor("it says what it waits for", () =>
      said.some((each) => each.startsWith(`No server has answered at ${endpoint} yet; waiting for it.`)),
    );
    const server = await stage.serve(endpoint);
    expect((await started).welcome.pid).toBe(server.pid);
  });

  test("a server that is killed and started again - is found again", async () => {
    const first = await stage.serve();
    const { endpoint } = first;
    const ready: number[] = [];
    const { worker } = stage.worker(endpoint);
    await worker.start(({ welcome }) => void ready.push(welcome.pid));
    await first.end("SIGKILL");
    const second = await stage.serve(endpoint);
    await waitFor("it is connected again", () => ready.includes(second.pid), 15_000);
    expect(await (await stage.backend.enqueue("sample.add", { a: 1 })).result({ timeout: 10 })).toBe(3);
  });
});

describe("the command, refused for good - ends with 1 and the sentence", () => {
  const files = (name: string) =>
    writeKeyPair(stage.folder.path, name === "other-server" ? "server" : "client", name, makeKeyPair());
  const run = (...args: string[]) => cli(["worker", ...args], { env: { RAYFERRY_DATABASE_URL: stage.database.url } });

  test("by keys that don't fit", async () => {
    const own = writeKeyPair(stage.folder.path, "server", "refusing", makeKeyPair());
    const known = files("known");
    const stranger = files("stranger");
    const other = files("other-server");
    const server = await stage.serve("tcp://127.0.0.1:0", ["--keys", own.keyFile, "--clients", known.publicFile]);
    const to = ["--server", server.endpoint];
    const cases: [string[], string][] = [
      [["--keys", stranger.keyFile, "--server-key", own.publicFile], "doesn't know this worker's key"],
      [["--keys", known.keyFile, "--server-key", other.publicFile], "isn't the one with the public key"],
      [[], "takes only workers with a key, and this one has none"],
    ];
    for (const [args, sentence] of cases) {
      const outcome = await run(...to, ...args);
      expect(outcome.stderr).toContain(sentence);
      expect(outcome.status).toBe(1);
    }
  });

  test("by something that isn't a server", async () => {
    const web = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    });
    await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
    stage.onEnd(() => new Promise((resolve) => web.close(resolve)));
    const { port } = web.address() as { port: number };
    const outcome = await run("--server", `tcp://127.0.0.1:${port}`);
    expect(outcome.stderr).toContain(`What answers at tcp://127.0.0.1:${port} isn't a server of rayferry`);
    expect(outcome.status).toBe(1);
  });

  test("later, when it is started again with other keys", async () => {
    const own = writeKeyPair(stage.folder.path, "server", "rotating", makeKeyPair());
    const client = files("rotating-client");
    const first = await stage.serve();
    const { worker } = stage.worker(first.endpoint);
    await worker.start();
    await first.end("SIGKILL");
    await stage.serve(first.endpoint, ["--keys", own.keyFile, "--clients", client.publicFile]);
    expect(await worker.failed).toMatchObject({ code: "BRIDGE_SECURITY", reason: "KEY_NEEDED" });
  });
});
