/** Worker and client through PgBouncer in transaction mode. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pino } from "pino";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { migrate, RayTaskBackend } from "../../src/index.ts";
import { borrow, connect } from "../../src/store/connection.ts";
import { listen } from "../../src/store/listen.ts";
import { stats } from "../../src/store/stats.ts";
import type { Worker } from "../../src/worker/index.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { couldInstallPgBouncer, findPgBouncer, type PgBouncer, startPgBouncer } from "../support/pgbouncer.ts";
import { syncWorker, temporaryFolder } from "../support/sync-worker.ts";
import { waitFor } from "../support/wait-for.ts";

// A contributor who can't install it sees these as skipped; anybody else as failed, with what to do.
const isLeftOut = findPgBouncer() === null && !couldInstallPgBouncer();

describe.skipIf(isLeftOut)("through PgBouncer (sudo scripts/install-debian.sh)", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let database: TestDatabase;
  let bouncer: PgBouncer;
  let backend: RayTaskBackend;
  let worker: Worker;
  let sql: postgres.Sql;
  const said: string[] = [];

  beforeAll(async () => {
    folder = await temporaryFolder();
    database = await createTestDatabase({ migrated: false });
    bouncer = await startPgBouncer(database.url);
    await migrate({ databaseUrl: bouncer.pooledUrl });
    backend = new RayTaskBackend({ databaseUrl: bouncer.pooledUrl });
    sql = postgres(bouncer.pooledUrl, { onnotice: () => {}, fetch_types: false });
    const logger = pino({ level: "warn" }, { write: (line: string) => void said.push(line) });
    worker = syncWorker(bouncer.pooledUrl, { concurrency: 4, logger });
    await worker.start();
  });

  afterAll(async () => {
    await worker?.stop(0);
    await backend?.close();
    await sql?.end();
    await bouncer?.close();
    await database?.drop();
    await folder?.remove();
  });

  test("the worker - says at its start that nothing listens, and what to do", () => {
    expect(said).toEqual([expect.stringContaining("Nothing listens for notifications: ")]);
    expect(said[0]).toContain("--listen-url (or RAYFERRY_LISTEN_URL)");
  });

  test("many at once - each runs and is seen to end, by polling alone", async () => {
    const numbers = Array.from({ length: 60 }, (_, n) => n);
    const enqueued = await Promise.all(numbers.map((a) => backend.enqueue<number>("sample.add", { a, b: 1 })));
    const results = await Promise.all(enqueued.map((each) => each.result({ timeout: 60 })));
    expect(results).toEqual(numbers.map((a) => a + 1));
    // Nothing is told, so that this is what a poll of worker and waiter takes.
    const begun = performance.now();
    await (await backend.enqueue("sample.add", { a: 1 })).result({ timeout: 30 });
    expect(performance.now() - begun).toBeLessThan(4_000);
  });

  test("cancel, and by hand - what is held ends when its holder has polled, what is queued at once", async () => {
    // The sync runner does one thing at a time: the others are held and wait.
    const gate = join(folder.path, "gate");
    const first = await backend.enqueue("sample.wait_for_file", { path: gate });
    const held = [
      await backend.enqueue("sample.add", { a: 1 }),
      await backend.enqueue("sample.add", { a: 2 }),
    ] as const;
    const later = await backend.enqueue("sample.add", { a: 3 }, { delay: 3_600 });
    for (const each of held) await waitFor("it is held", async () => (await each.refresh()).state === "RUNNING");
    await held[0].cancel();
    await sql`update rayferry.ray_task_execution set state = 'CANCELLED' where id in ${sql([held[1].id, later.id])}`;
    expect((await later.refresh()).state).toBe("CANCELLED");
    for (const each of held) await waitFor("it is CANCELLED", async () => (await each.refresh()).state === "CANCELLED");
    const forged = sql`update rayferry.ray_task_execution set state = 'SUCCEEDED' where id = ${later.id}`;
    await expect(forged).rejects.toMatchObject({ code: "RF002" });
    await writeFile(gate, "");
    expect(await first.result({ timeout: 30 })).toEqual(expect.any(Number));
  });

  test("retry - of one that failed", async () => {
    const execution = await backend.enqueue("sample.fail", { message: "no" });
    await expect(execution.result({ timeout: 30 })).rejects.toThrow("no");
    await backend.retry(execution.id);
    await waitFor("it has failed again", async () => (await backend.attempts(execution.id)).length === 2);
  });

  test("in a caller's transaction - runs after the commit, and not after a rollback", async () => {
    const committed = await sql.begin((tx) => backend.enqueue<number>("sample.add", { a: 20, b: 22 }, { tx }));
    expect(await committed.result({ timeout: 30 })).toBe(42);
    let id = "";
    const rolledBack = sql.begin(async (tx) => {
      id = (await backend.enqueue("sample.add", { a: 1 }, { tx })).id;
      throw new Error("changed my mind");
    });
    await expect(rolledBack).rejects.toThrow("changed my mind");
    await expect(backend.get(id)).rejects.toThrow(`There is no execution ${id}.`);
  });

  test("without ?prepare=false - refused, with what to do", async () => {
    const store = connect({ databaseUrl: bouncer.url });
    await expect(stats(store)).rejects.toThrow(
      /unsupported startup parameter.*So says a transaction pooler \(PgBouncer\): add \?prepare=false to the database URL\.$/,
    );
    await store.close();
  });

  test("LISTEN through it - is found to bring nothing; by a way around it, it works", async () => {
    const deaf = borrow(sql);
    const verdicts: boolean[] = [];
    deaf.listener?.onVerdict((works) => verdicts.push(works));
    const nothing = () => {};
    const deafListening = await listen(deaf, "any", nothing, nothing);
    await waitFor("the self-test to fail", () => verdicts.length > 0);
    expect(verdicts[0]).toBe(false);
    deafListening?.stop();
    const store = connect({ databaseUrl: bouncer.pooledUrl, listenUrl: database.url });
    const got: string[] = [];
    await listen(store, "around", (payload) => got.push(payload), nothing);
    await waitFor("the self-test to pass", () => store.listener?.works === true);
    await store.query("select pg_notify('around', 'heard')", []);
    await waitFor("a notification", () => got.includes("heard"));
    await store.close();
  });
});
