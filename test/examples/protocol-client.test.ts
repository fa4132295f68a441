/** PROTOCOL.md is enough: examples/protocol-client was written from it, and imports nothing of rayferry. */
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { BridgeProxy } from "../support/bridge-proxy.ts";
import { Output } from "../support/output.ts";
import { PYTHON, SidecarProcess } from "../support/sidecar-process.ts";
import { waitFor } from "../support/wait-for.ts";

const CLIENT = fileURLToPath(new URL("../../examples/protocol-client/client.py", import.meta.url));

let server: SidecarProcess;

beforeEach(async () => {
  server = await SidecarProcess.start();
});

afterEach(async () => {
  await server.stop();
});

function run(endpoint: string, ...task: string[]): Output {
  return new Output(spawn(PYTHON, [CLIENT, endpoint, ...task], { stdio: ["ignore", "pipe", "pipe"] }));
}

/** What it printed: one message a line. */
function messages({ text }: Output): unknown[][] {
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

test("protocol-client - has less than 150 lines, and nothing of rayferry in them", () => {
  const code = readFileSync(CLIENT, "utf8");
  expect(code.trimEnd().split("\n").length).toBeLessThan(150);
  expect(code).not.toMatch(/^\s*(from|import) rayferry/m);
});

test("protocol-client - runs an attempt and closes its session", async () => {
  const client = run(server.endpoint, "sample.add", '{"a": 1, "b": 5}');
  expect(await client.ended).toBe(0);
  const said = messages(client);
  expect(said.map(([type]) => type)).toEqual(expect.arrayContaining(["accepted", "result"]));
  expect(said.at(-1)?.slice(3, 6)).toEqual(["SUCCEEDED", "application/json", "6"]);
  await server.output.until(/"The worker closed the session\."/);
});

test("protocol-client - a task that isn't there is rejected", async () => {
  const client = run(server.endpoint, "no.such.task", "{}");
  expect(await client.ended).toBe(1);
  expect(messages(client).map((message) => [message[0], message[3]])).toEqual([["rejected", "UNKNOWN_TASK"]]);
});

test("protocol-client - resumes over each new connection, and hears each thing once", async () => {
  const proxy = await BridgeProxy.listen(server.endpoint);
  const release = join(server.folder, "release");
  const client = run(proxy.endpoint, "sample.wait_for_file", JSON.stringify({ path: release }));
  await client.until(/"started"/);
  for (const cut of [() => proxy.reset(), () => proxy.drop()]) {
    const before = proxy.connections;
    cut();
    await waitFor("a new connection", () => proxy.connections > before);
  }
  writeFileSync(release, "");
  expect(await client.ended).toBe(0);
  expect(messages(client).map(([type]) => type)).toEqual(["accepted", "started", "result"]);
  expect(proxy.connections).toBe(3);
  // One session: the others were the same one, resumed.
  expect(server.output.text.match(/"A session began\."/g)).toHaveLength(1);
  await server.output.until(/"The worker closed the session\."/);
  await proxy.close();
});
