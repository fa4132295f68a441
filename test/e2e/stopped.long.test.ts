/** Stopped processes, continued: what takes too long for stopped.ray.test.ts. */
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Journal, sharedClock } from "../support/journal.ts";
import { RayCluster } from "../support/ray-cluster.ts";
import { serversOf } from "../support/servers.ts";
import { waitFor } from "../support/wait-for.ts";

/** Longer than a lease (6 s), the authority of a server in a process (8 s) and the silence after which a session is lost (10 s). */
const STOP_SECONDS = 15;

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

const until = (moment: number) => waitFor("the stop is long enough", () => sharedClock() > moment, 60_000);

/** Of bodies that pulse each 0.1 s: the longest that any was silent, in seconds. */
async function longestSilence(journal: Journal): Promise<number> {
  const lastOf = new Map<string, number>();
  let longest = 0;
  for (const line of await journal.lines()) {
    const [, , life = "", at] = line.split(" ");
    longest = Math.max(longest, Number(at) - (lastOf.get(life) ?? Number(at)));
    lastOf.set(life, Number(at));
  }
  return longest;
}

test("a sidecar whose server is in an actor - the server goes on, and so does the worker", async () => {
  const worker = await cluster.ready("sidecar");
  const { executions, journal, names } = await cluster.running(2, STOP_SECONDS + 5, "sample.pulse");
  const before = await cluster.holdersOf(executions);
  const stoppedAt = sharedClock();
  worker.signalSidecar("SIGSTOP");
  let short = 0;
  for (; sharedClock() < stoppedAt + STOP_SECONDS; short += 1) {
    const added = await cluster.backend.enqueue("sample.add", { a: short });
    expect(await added.result({ timeout: 5 })).toBe(short + 2);
  }
  console.log(
    `hosted sidecar stopped for ${STOP_SECONDS} s: ${short} executions went through meanwhile, one at a time`,
  );
  worker.signalSidecar("SIGCONT");
  expect(await cluster.holdersOf(executions)).toEqual(before);
  expect(await cluster.expectOnce(executions, journal, names)).toBe(0);
  expect(worker.output.text).not.toMatch(/Starting again/);
  expect(await worker.terminate()).toBe(0);
});

test("the server's actor - its tasks go on, nothing is requeued, and it is found again when it goes on", async () => {
  const worker = await cluster.ready("actor");
  const { executions, journal, names } = await cluster.running(2, STOP_SECONDS + 10, "sample.pulse");
  const before = await cluster.holdersOf(executions);
  const [server] = await serversOf(cluster.sql, "actor");
  const pid = server?.pid ?? 0;
  const stoppedAt = sharedClock();
  process.kill(pid, "SIGSTOP");
  await worker.output.until(/silent for 10 s.*Starting again/);
  await until(stoppedAt + STOP_SECONDS);
  const waiting = await cluster.backend.enqueue("sample.add", { a: 1 });
  process.kill(pid, "SIGCONT");
  const seconds = await cluster.untilHeldByOthers(executions, before, performance.now());
  console.log(`actor stopped for ${STOP_SECONDS} s: held again ${seconds.toFixed(1)} s after it went on`);
  expect(await waiting.result({ timeout: 30 })).toBe(3);
  expect(await cluster.expectOnce(executions, journal, names)).toBe(0);
  expect(await longestSilence(journal)).toBeLessThan(2);
  expect(await serversOf(cluster.sql, "actor")).toHaveLength(1);
  expect(await worker.terminate()).toBe(0);
});

test("the server's actor while another worker drains it - that one has the work again when it goes on", async () => {
  const heir = await cluster.ready("drains", ["--queue", "other"]);
  const first = await cluster.ready("gone");
  const { executions, journal, names } = await cluster.running(2, STOP_SECONDS + 30, "sample.pulse");
  const before = await cluster.holdersOf(executions);
  first.signal("SIGKILL");
  await cluster.untilHeldByOthers(executions, before, performance.now());
  const [server] = await serversOf(cluster.sql, "gone");
  const pid = server?.pid ?? 0;
  process.kill(pid, "SIGSTOP");
  await heir.output.until(/"reason":"The server at [^\n]* has been silent for 10 s[^\n]*drained a server/);
  process.kill(pid, "SIGCONT");
  expect(await cluster.expectOnce(executions, journal, names)).toBe(0);
  expect(await longestSilence(journal)).toBeLessThan(2);
  expect(await heir.terminate()).toBe(0);
});

test("a worker and its sidecar with the server in it - another worker runs the work again, never two at a time", async () => {
  // More than there are CPUs: some are with Ray, and haven't begun when all stands still.
  const frozen = await cluster.ready("frozen", ["--attached", "--concurrency", "6"]);
  const { executions, journal, names } = await cluster.running(4, STOP_SECONDS + 5, "sample.pulse");
  const waiting = await cluster.backend.enqueueMany(
    ["w-0", "w-1"].map((line) => ({ task: "sample.pulse", input: { path: journal.path, line, seconds: 1 } })),
  );
  await waitFor("it claims them", async () => (await cluster.holdersOf(waiting)).length === 1);
  const heir = await cluster.ready("heir", ["--attached"]);
  const stoppedAt = sharedClock();
  const sidecar = frozen.sidecar ?? 0;
  frozen.signal("SIGSTOP");
  process.kill(sidecar, "SIGSTOP");
  await waitFor("they run again", async () => (await journal.lives("0")).length === 2, 60_000);
  await until(stoppedAt + STOP_SECONDS);
  process.kill(sidecar, "SIGCONT");
  frozen.signal("SIGCONT");
  for (const execution of [...executions, ...waiting]) {
    expect(await execution.result({ timeout: 90 })).toBeTypeOf("string");
    expect(await execution.refresh()).toMatchObject({ state: "SUCCEEDED", attempt: 1, infrastructureLosses: 1 });
  }
  for (const name of names) {
    const [first, second, third] = await journal.lives(name);
    expect([first?.end, typeof second?.end, third]).toEqual([null, "number", undefined]);
    console.log(
      `worker and attached sidecar stopped: task stopped itself after ${((first?.last ?? 0) - stoppedAt).toFixed(1)} s, ` +
        `run again after ${((second?.begin ?? 0) - stoppedAt).toFixed(1)} s`,
    );
  }
  for (const name of ["w-0", "w-1"]) expect(await journal.lives(name)).toHaveLength(1);
  await journal.expectApart(names);
  await frozen.output.until(/Starting again/);
  expect(await heir.terminate()).toBe(0);
  expect(await frozen.terminate()).toBe(0);
});
