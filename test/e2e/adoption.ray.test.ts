/** G3 on a real cluster: what runs outlives its worker, its sidecar and both, and is under a worker again within seconds. Bodies write a journal. */
import { randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BridgeSession } from "../../bridge/src/session.ts";
import type { RayTaskExecution } from "../../src/index.ts";
import { connect } from "../../src/store/connection.ts";
import { closeLease, openLease } from "../../src/store/lease.ts";
import { describeRecoveries, KILLS, Killing, type Recovery } from "../support/kill.ts";
import { RayCluster } from "../support/ray-cluster.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { SteadyLoad } from "../support/steady-load.ts";

let cluster: RayCluster;

beforeAll(async () => {
  cluster = await RayCluster.start({ cpus: 4 });
});

afterAll(async () => {
  await cluster?.stop();
});

/** A session, and a lease that has ended, of an incarnation that came after `holder` and got no further. */
async function ghostOf(worker: string, holder: string, endpoint: string): Promise<BridgeSession> {
  const incarnation = randomUUID();
  const store = connect({ databaseUrl: cluster.databaseUrl });
  await openLease(store, { id: incarnation, name: worker, host: hostname(), pid: 1, version: "0", queues: [] });
  await closeLease(store, incarnation, "its process is gone");
  await store.close();
  const session = new BridgeSession({
    endpoint,
    build: "0",
    worker,
    incarnation,
    replaces: [holder],
    database: null,
    openTimeout: 5_000,
    onMessage: () => {},
    onLost: () => {},
  });
  await session.open();
  return session;
}

describe("what runs on a cluster outlives", () => {
  test("its worker, its sidecar and both, killed under load - each body runs once, and is held again within seconds", async () => {
    const load = new SteadyLoad(cluster, { long: 2, longSeconds: () => 12, shortSeconds: () => 0.05 });
    const killing = await Killing.start(cluster, load, "killed", seededRandom(4));
    const recoveries: Recovery[] = [];
    for (const kill of KILLS) recoveries.push(await killing.kill(kill));
    await load.finish();
    await load.expectOnce();
    console.log(describeRecoveries(recoveries));
    expect(Math.max(...recoveries.map(({ adopted }) => adopted))).toBeLessThan(15);
    expect(await killing.terminate()).toBe(0);
  });

  test("its worker for good - another worker of the cluster adopts it, also what a next incarnation leaves there later", async () => {
    const heir = await cluster.ready("heir", ["--queue", "other"]);
    const journal = cluster.journal();
    const names = ["earlier", "later"];
    const executions: RayTaskExecution[] = [];
    for (const line of names) {
      const worker = await cluster.ready("gone");
      const input = { path: journal.path, line, release: journal.release };
      const execution = await cluster.backend.enqueue("sample.hold", input);
      executions.push(execution);
      await journal.untilBegun([line]);
      const before = await cluster.holdersOf([execution]);
      worker.signal("SIGKILL");
      const seconds = await cluster.untilHeldByOthers([execution], before, performance.now());
      console.log(`worker killed for good (${line}): adopted after ${seconds.toFixed(1)} s`);
      expect(seconds).toBeLessThan(15);
      expect((await execution.refresh()).worker).toBe("heir");
    }
    await writeFile(journal.release, "");
    expect(await cluster.expectOnce(executions, journal, names)).toBe(0);
    expect(await heir.terminate()).toBe(0);
  });

  test("an incarnation that died before it had written down its server - the next one isn't refused for its session", async () => {
    const first = await cluster.ready("between");
    const { executions, journal, names } = await cluster.running(1, 8);
    const [holder = ""] = await cluster.holdersOf(executions);
    const [server] = await cluster.sql`select endpoint from rayferry.task_sidecar where worker = 'between'`;
    first.signal("SIGKILL");
    const ghost = await ghostOf("between", holder, String(server?.["endpoint"]));
    const next = await cluster.ready("between");
    await ghost.close("it is a ghost", false);
    expect(await cluster.expectOnce(executions, journal, names)).toBe(0);
    expect(await next.terminate()).toBe(0);
  });

  test("a redeploy: SIGTERM ends the worker in about 2 s and leaves its work, the next one has it", async () => {
    const first = await cluster.ready("deploy", ["--concurrency", "2"]);
    const { executions, journal, names } = await cluster.running(2, 8);
    const waiting = await cluster.backend.enqueue("sample.add", { a: 1 });
    const begun = performance.now();
    expect(await first.terminate()).toBe(0);
    const seconds = (performance.now() - begun) / 1000;
    console.log(`SIGTERM: ended after ${seconds.toFixed(1)} s`);
    expect(seconds).toBeLessThan(6);
    const second = await cluster.ready("deploy");
    expect(await cluster.expectOnce(executions, journal, names)).toBe(0);
    expect(await waiting.result({ timeout: 20 })).toBe(3);
    expect(await second.terminate()).toBe(0);
  });
});

test("the server's actor, killed - its work is lost with it, and runs again under the next one", async () => {
  const worker = await cluster.ready("actor");
  const { executions } = await cluster.running(1, 6);
  const [server] = await cluster.sql`select pid from rayferry.task_sidecar where worker = 'actor' and ended_at is null`;
  process.kill(Number(server?.["pid"]), "SIGKILL");
  const [execution] = executions;
  expect(await execution?.result({ timeout: 60 })).toBe("0");
  expect(await execution?.refresh()).toMatchObject({ attempt: 1, infrastructureLosses: 1 });
  expect(await worker.terminate()).toBe(0);
});
