/** When those who follow an execution are told to look, by real notifications. */
import { randomUUID } from "node:crypto";
import { afterAll, expect, test } from "vitest";
import { OutputFollower } from "../src/output-follower.ts";
import { openTestStore } from "./support/seed.ts";
import { waitFor } from "./support/wait-for.ts";

const { store, close } = await openTestStore();
afterAll(close);

const LONG = 60_000;
const tell = (channel: string, ids: readonly string[]) =>
  store.query("select pg_notify($1::text, $2::text)", [channel, ids.join(",")]);

/** Milliseconds until it is told to look. */
async function timed(next: Promise<void>): Promise<number> {
  const begun = performance.now();
  await next;
  return performance.now() - begun;
}

test("OutputFollower - the first look is at once, the next when its output or its end is told, among other ids", async () => {
  const follower = new OutputFollower(store);
  const [id, other] = [randomUUID(), randomUUID()];
  using following = follower.follow(id);
  await following.next();
  await waitFor("a LISTEN that works", () => store.listener?.works === true);
  // What the subscription itself told is over.
  for (let took = 0; took < 300; ) took = await timed(following.next(300));
  for (const channel of [store.names.outputChannel, store.names.finishedChannel]) {
    const next = timed(following.next(LONG));
    await tell(channel, [other]);
    await tell(channel, [other, id]);
    expect(await next).toBeLessThan(350);
  }
  // Told before it waits counts.
  following.wake();
  expect(await timed(following.next(LONG))).toBeLessThan(50);
  await follower.close();
});

test("OutputFollower - without a word it looks by itself, half a second after the last news", async () => {
  const follower = new OutputFollower({ ...store, listener: null });
  using following = follower.follow(randomUUID());
  await following.next();
  const took = await timed(following.next());
  expect(took).toBeGreaterThan(300);
  expect(took).toBeLessThan(1_500);
  await follower.close();
});

test("OutputFollower - an abort and a close reach who waits and who doesn't yet; who stopped hears nothing", async () => {
  const follower = new OutputFollower(store);
  const abort = new AbortController();
  const [aborted, closed, stopped] = [
    follower.follow(randomUUID(), abort.signal),
    follower.follow(randomUUID()),
    follower.follow(randomUUID()),
  ];
  for (const each of [aborted, closed]) for (const at of [0, 1, 1]) await each.next(at);
  stopped.stop();
  const waits = [aborted.next(LONG), closed.next(LONG)].map((each) => each.catch((error: unknown) => error));
  abort.abort(new Error("enough"));
  expect(await waits[0]).toMatchObject({ message: "enough" });
  await follower.close();
  expect(await waits[1]).toMatchObject({ code: "CLOSED" });
  await expect(closed.next()).rejects.toMatchObject({ code: "CLOSED" });
  await stopped.next();
  expect(() => follower.follow(randomUUID())).toThrow("closed");
});
