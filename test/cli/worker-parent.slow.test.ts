import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { createTestDatabase } from "../support/database.ts";
import { Output } from "../support/output.ts";
import { TASKS_FOLDER } from "../support/sync-worker.ts";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const database = await createTestDatabase();
afterAll(() => database.drop());

test("rayferry worker - stops as by SIGTERM when the npx that started it is killed", async () => {
  const worker = `"${process.execPath}" "${MAIN}" worker --tasks sample_tasks --runner sync --name npx; true`;
  const env = { ...process.env, RAYFERRY_DATABASE_URL: database.url, npm_command: "exec" };
  // As npx does it: a shell in between, which doesn't pass the signal on.
  const shell = spawn("sh", ["-c", worker], { cwd: TASKS_FOLDER, env, stdio: ["ignore", "pipe", "pipe"] });
  const output = new Output(shell);
  await output.until(/worker is ready/);
  shell.kill("SIGTERM");
  await output.until(/the npx that started this is gone[\s\S]*"msg":"stopped"/);
  expect(output.text).not.toMatch(/"level":[56]0/);
});
