import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Sidecar } from "../../src/worker/sidecar.ts";
import { PYTHON } from "../support/sidecar-process.ts";
import { temporaryFolder } from "../support/sync-worker.ts";
import { waitFor } from "../support/wait-for.ts";

/** A module that leaves a process behind, as a task may: out of reach of the sidecar's group, with its pipes. */
const LEAVING = `
import subprocess
child = subprocess.Popen(["sleep", "60"], start_new_session=True)
open("left", "w").write(str(child.pid))
`;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
  await writeFile(join(folder.path, "leaving.py"), LEAVING);
});
afterAll(async () => {
  process.kill(Number(await readFile(join(folder.path, "left"), "utf8")), "SIGKILL");
  await folder.remove();
});

function start(): Promise<Sidecar> {
  return Sidecar.start({
    python: PYTHON,
    folder: folder.path,
    endpoint: `ipc://${join(folder.path, "s")}`,
    runner: "sync",
    attached: false,
    rayAddress: null,
    rayTempFolder: join(folder.path, "ray"),
    tasks: ["leaving"],
    authoritySeconds: 8,
    orphanGraceSeconds: 600,
    worker: "w",
    databaseDigest: "d",
    logger: pino({ level: "silent" }),
    ...{ hostOn: null },
  });
}

test("Sidecar - is known to have ended though what it started lives on and has its pipes; who asks it then is told", async () => {
  const sidecar = await start();
  await sidecar.serving(20_000);
  const actor = { name: "somebody", namespace: "rayferry" };
  const ask = () => sidecar.relay(actor).catch((error: unknown) => error);
  const before = ask();
  let hasEnded = false;
  void sidecar.ended.then(() => {
    hasEnded = true;
  });
  sidecar.kill();
  await waitFor("its end is known", () => hasEnded, 5_000);
  for (const asked of [before, ask()]) expect(await asked).toMatchObject({ reason: "DIED" });
});
