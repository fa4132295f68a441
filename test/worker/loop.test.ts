import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Loop } from "../../src/worker/loop.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const nothing = () => {};
const settle = () => vi.advanceTimersByTimeAsync(0);

test("Loop - runs at once, then when a round said it is due", async () => {
  const run = vi.fn(async () => 100);
  const loop = new Loop(run, nothing);
  await settle();
  expect(run).toHaveBeenCalledTimes(0);
  loop.start();
  await settle();
  expect(run).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(99);
  expect(run).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(run).toHaveBeenCalledTimes(2);
  await loop.stop();
});

test("Loop - wake() brings the next round forward, and the time after it counts anew", async () => {
  const run = vi.fn(async () => 100);
  const loop = new Loop(run, nothing);
  loop.start();
  await vi.advanceTimersByTimeAsync(60);
  loop.wake();
  await settle();
  expect(run).toHaveBeenCalledTimes(2);
  await vi.advanceTimersByTimeAsync(99);
  expect(run).toHaveBeenCalledTimes(2);
  await vi.advanceTimersByTimeAsync(1);
  expect(run).toHaveBeenCalledTimes(3);
  await loop.stop();
});

test("Loop - one round at a time; many wakes during one make one more", async () => {
  const rounds: (() => void)[] = [];
  const run = vi.fn(() => new Promise<number>((resolve) => rounds.push(() => resolve(1_000))));
  const loop = new Loop(run, nothing);
  loop.start();
  await settle();
  for (let n = 0; n < 5; n += 1) loop.wake();
  expect(run).toHaveBeenCalledTimes(1);
  rounds[0]?.();
  await settle();
  expect(run).toHaveBeenCalledTimes(2);
  rounds[1]?.();
  await settle();
  expect(run).toHaveBeenCalledTimes(2);
  await loop.stop();
});

test("Loop - a round that throws is reported and tried again, later each time, 5 s at most", async () => {
  const errors: unknown[] = [];
  const begun: number[] = [];
  const loop = new Loop(
    async () => {
      begun.push(Date.now());
      throw new Error(`round ${begun.length}`);
    },
    (error) => errors.push(error),
  );
  loop.start();
  await vi.advanceTimersByTimeAsync(40_000);
  await loop.stop();
  const waits = begun.slice(1).map((at, index) => at - (begun[index] ?? 0));
  expect(errors).toHaveLength(begun.length);
  expect(errors[0]).toEqual(new Error("round 1"));
  for (const [index, wait] of waits.entries()) {
    const most = Math.min(200 * 2 ** index, 5_000);
    expect(wait).toBeGreaterThanOrEqual(Math.floor(most / 2));
    expect(wait).toBeLessThanOrEqual(most);
  }
  expect(waits.length).toBeGreaterThan(7);
});

test("Loop - a round that wakes its own loop and throws doesn't make it spin, nor run twice at once", async () => {
  const run = vi.fn(async () => {
    loop.wake();
    throw new Error("no");
  });
  const loop: Loop = new Loop(run, nothing);
  loop.start();
  await vi.advanceTimersByTimeAsync(90);
  expect(run).toHaveBeenCalledTimes(1);
  await loop.stop();
});

test("Loop - after a good round the backoff begins anew", async () => {
  const outcomes = [false, false, false, true, false, true];
  const begun: number[] = [];
  const loop = new Loop(async () => {
    begun.push(Date.now());
    if (outcomes[begun.length - 1] === false) throw new Error("no");
    return 0;
  }, nothing);
  loop.start();
  await vi.advanceTimersByTimeAsync(10_000);
  await loop.stop();
  // Between the fifth, the first failure after a good round, and the sixth.
  expect((begun[5] ?? 0) - (begun[4] ?? 0)).toBeLessThanOrEqual(200);
});

test("Loop - stop() waits for the round under way, and nothing runs after it", async () => {
  let end = nothing;
  const run = vi.fn(() => new Promise<number>((resolve) => (end = () => resolve(0))));
  const loop = new Loop(run, nothing);
  loop.start();
  await settle();
  loop.wake();
  let stopped = false;
  const stopping = loop.stop().then(() => {
    stopped = true;
  });
  await settle();
  expect(stopped).toBe(false);
  end();
  await stopping;
  loop.wake();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(run).toHaveBeenCalledTimes(1);
});
