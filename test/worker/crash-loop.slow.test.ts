/** A real sidecar that dies each time soon after its start: the worker ends, so that whoever supervises it can decide. */
import { expect, test } from "vitest";
import { startCli } from "../support/cli.ts";
import { createTestDatabase } from "../support/database.ts";
import { Output } from "../support/output.ts";
import { ProcessMark } from "../support/processes.ts";
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
