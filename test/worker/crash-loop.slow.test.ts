/** A sidecar that dies each time soon after its start ends the worker, so that whoever supervises it can decide; a head that is away doesn't. */
import { chmod, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pino } from "pino";
import postgres from "postgres";
import { expect, test } from "vitest";
import { freePort } from "../../src/dev/free-port.ts";
import { RayTaskBackend } from "../../src/index.ts";
import { startCli } from "../support/cli.ts";
import { createTestDatabase } from "../support/database.ts";
import { Output } from "../support/output.ts";
import { ProcessMark } from "../support/processes.ts";
import { PYTHON } from "../support/sidecar-process.ts";
import { syncWorker, temporaryFolder } from "../support/sync-worker.ts";
import { waitFor } from "../support/wait-for.ts";

test("a sidecar that is killed again and again - the command ends with 1 and says how it died", async () => {
  const database = await createTestDatabase();
  const mark = new ProcessMark();
  const child = startCli(["worker", "--tasks", "sample_tasks", "--runner", "sync", "--name", "looping"], {
    env: { ...mark.env, RAYFERRY_DATABASE_URL: database.url },
  });
  const output = new Output(child);
  await output.until(/worker is ready/);
  const killed = new Set<number>();
  const findSidecar = () =>
    mark.find().flatMap((line) => (line.includes("-m rayferry sidecar") ? [Number.parseInt(line, 10)] : []));
  const begun = performance.now();
  while (killed.size < 5) {
    let pid = 0;
    await waitFor(`sidecar number ${killed.size + 1}`, () => {
      pid = findSidecar().find((each) => !killed.has(each)) ?? 0;
      return pid > 0;
    });
    killed.add(pid);
    process.kill(pid, "SIGKILL");
  }
  expect(await output.ended).toBe(1);
  console.log(`gave up ${((performance.now() - begun) / 1000).toFixed(1)} s after the first of five deaths`);
  expect(output.text).toContain(
    "rayferry: The sidecar died 5 times within 10 minutes, each time within 60 s of its start: giving up. The last time: The sidecar ended by SIGKILL.",
  );
  expect(mark.find()).toEqual([]);
  mark.clear();
  await database.drop();
}, 60_000);

test("a Ray head that is away for longer than a crash loop takes - is tried again with growing waits until it is back", async () => {
  const database = await createTestDatabase();
  const folder = await temporaryFolder();
  const away = join(folder.path, "away");
  const python = join(folder.path, "python");
  // While the file is there, the sidecar is one of a cluster whose head is gone.
  const cluster = `--runner cluster --ray-address 127.0.0.1:${await freePort()}`;
  await writeFile(python, `#!/bin/sh\nif [ -e ${away} ]; then set -- "$@" ${cluster}; fi\nexec ${PYTHON} "$@"\n`);
  await chmod(python, 0o755);
  const waits: string[] = [];
  await using backend = new RayTaskBackend({ databaseUrl: database.url });
  const logger = pino({}, { write: (line) => void note(JSON.parse(line)) });
  const note = ({ msg, again }: { msg: string; again?: string }) => {
    if (again !== undefined && msg.includes("Nothing answers at the Ray address")) waits.push(again);
  };
  const worker = syncWorker(database.url, { python, logger });
  const pids: number[] = [];
  await worker.start(({ sidecarPid }) => void pids.push(sidecarPid ?? 0));
  let failure: unknown = null;
  void worker.failed.then((error) => {
    failure = error;
  });
  await writeFile(away, "");
  process.kill(pids[0] ?? 0, "SIGKILL");
  await waitFor("five starts in vain", () => waits.length === 5 || failure !== null, 60_000);
  expect(waits).toEqual(["in 0.5 s", "in 1 s", "in 2 s", "in 4 s", "in 8 s"]);
  // In the eight seconds in which this process has no incarnation, it has the only pulse there is: it keeps deadlines, of any queue.
  const sql = postgres(database.url, { max: 1 });
  const overdue = await backend.enqueue("sample.add", { a: 1 }, { queue: "nobodys", queueTimeout: 0.2 });
  const stateOf = async () => (await sql`select state from rayferry.ray_task_execution where id = ${overdue.id}`)[0];
  await waitFor("its deadline is kept", async () => (await stateOf())?.["state"] === "EXPIRED", 2_000);
  await sql.end();
  await rm(away);
  await waitFor("it is up again", () => pids.length === 2, 30_000);
  expect(failure).toBeNull();
  expect(await (await backend.enqueue("sample.add", { a: 1 })).result({ timeout: 10 })).toBe(3);
  await worker.stop(0);
  await folder.remove();
  await backend.close();
  await database.drop();
}, 120_000);
