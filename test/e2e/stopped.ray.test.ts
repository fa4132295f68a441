/** G2 and G4 on a real cluster: processes that are stopped (SIGSTOP) for longer than their lease or authority, and go on after it. */
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { sharedClock } from "../support/journal.ts";
import { RayCluster } from "../support/ray-cluster.ts";
import { waitFor } from "../support/wait-for.ts";

let cluster: RayCluster;

beforeAll(async () => {
  cluster = await RayCluster.start({ cpus: 4 });
});

afterEach(() => {
  cluster?.killWorkers();
});

afterAll(async () => {
  await cluster?.stop();
});

test("a worker, for longer than its lease - another adopts, what it writes late counts for nothing, and it begins anew", async () => {
  const heir = await cluster.ready("heir", ["--queue", "other"]);
  const frozen = await cluster.ready("frozen", ["--concurrency", "8"]);
  const { executions: long, journal, names } = await cluster.running(2, 12);
  const enqueue = (line: string, seconds: number) =>
    cluster.backend.enqueue("sample.journal", { path: journal.path, line, seconds });
  const brief = await enqueue("brief", 2);
  await journal.untilBegun(["brief"]);
  const shortNames = Array.from({ length: 12 }, (_, index) => `short-${index}`);
  const short = await Promise.all(shortNames.map((name) => enqueue(name, 0.5)));
  const before = await cluster.holdersOf(long);

  frozen.signal("SIGSTOP");
  const seconds = await cluster.untilHeldByOthers(long, before, performance.now());
  console.log(`worker stopped: adopted after ${seconds.toFixed(1)} s`);
  await brief.result({ timeout: 20 });
  // Its result waits in the stopped one's socket too.
  const recorded = await brief.refresh();
  expect(recorded.worker).toBe("heir");
  frozen.signal("SIGCONT");

  await frozen.output.until(/lease ran out.*Starting again/);
  await waitFor("its next incarnation claims", async () => {
    const [lease] =
      await cluster.sql`select id::text from rayferry.task_worker_lease where name = 'frozen' and state = 'READY'`;
    return lease !== undefined && !before.includes(String(lease["id"]));
  });
  expect(await brief.refresh()).toEqual(recorded);
  await cluster.expectOnce([...long, brief, ...short], journal, [...names, "brief", ...shortNames]);
  const next = await enqueue("next", 0);
  await next.result({ timeout: 20 });
  expect((await next.refresh()).worker).toBe("frozen");
  expect(await frozen.terminate()).toBe(0);
  expect(await heir.terminate()).toBe(0);
});

test("a sidecar with the server in it - its tasks stop themselves before anybody runs them again", async () => {
  const worker = await cluster.ready("attached", ["--attached"]);
  const { executions, journal, names } = await cluster.running(2, 12, "sample.pulse");
  const stoppedAt = sharedClock();
  worker.signalSidecar("SIGSTOP");
  const lastSign = async (name: string) => (await journal.lives(name))[0]?.last ?? 0;
  await waitFor(
    "its tasks have stopped",
    async () => (await Promise.all(names.map(lastSign))).every((last) => sharedClock() - last > 1),
    15_000,
  );
  for (const execution of executions) expect(await execution.result({ timeout: 60 })).toBeTypeOf("string");
  for (const [index, name] of names.entries()) {
    const [first, second, third] = await journal.lives(name);
    expect([first?.end, typeof second?.end, third]).toEqual([null, "number", undefined]);
    const lived = (first?.last ?? 0) - stoppedAt;
    const again = (second?.begin ?? 0) - stoppedAt;
    console.log(
      `attached sidecar stopped: task stopped itself after ${lived.toFixed(1)} s, run again after ${again.toFixed(1)} s`,
    );
    // By the dead man's timer: the worker kills a sidecar that was silent for 10 s.
    expect(lived).toBeLessThan(9);
    expect(await executions[index]?.refresh()).toMatchObject({ attempt: 1, infrastructureLosses: 1 });
  }
  await journal.expectApart(names);
  expect(await worker.terminate()).toBe(0);
});
