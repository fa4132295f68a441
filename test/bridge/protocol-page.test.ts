import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { MAX_ENVELOPE_BYTES, MAX_MESSAGES } from "../../bridge/src/envelope.ts";
import type { Field } from "../../bridge/src/fields.ts";
import { WORKER_CREDIT } from "../../bridge/src/hello.ts";
import { PROTOCOL_MAX, PROTOCOL_MIN, SERVER_MESSAGES, WORKER_MESSAGES } from "../../bridge/src/messages.ts";
import { SILENCE } from "../../bridge/src/session-options.ts";
import { AUTHORITY_SECONDS } from "../../src/store/lease.ts";

const PAGE = readFileSync(new URL("../../bridge/PROTOCOL.md", import.meta.url), "utf8");

function section(title: string): string {
  const from = PAGE.split(`\n## ${title}\n`)[1];
  return (from ?? expect.fail(`The page has no section "${title}".`)).split("\n## ")[0] ?? "";
}

/** The messages of one direction with their fields, as the page's tables write them. */
function pageMessages(title: string): Record<string, [string, string][]> {
  const messages = section(title).split("\n### ").slice(1);
  return Object.fromEntries(
    messages.map((text) => {
      const rows = [...text.matchAll(/^\| (\d+) \| (\w+) \| ([^|]+) \|/gm)];
      expect(rows.map((row) => Number(row[1]))).toEqual(rows.map((_row, index) => index + 1));
      return [text.split("\n")[0], rows.map((row) => [row[2] ?? "", (row[3] ?? "").trim()])];
    }),
  );
}

function codeMessages(table: Record<string, Record<string, Field<unknown>>>): Record<string, [string, string][]> {
  const fields = (of: Record<string, Field<unknown>>) =>
    Object.entries(of).map(([name, field]): [string, string] => [name, field.type]);
  return Object.fromEntries(Object.entries(table).map(([type, of]) => [type, fields(of)]));
}

test("PROTOCOL.md - what a worker sends: names, order and types of the fields", () => {
  expect(codeMessages(WORKER_MESSAGES)).toEqual(pageMessages("From the worker"));
});

test("PROTOCOL.md - what a server sends: names, order and types of the fields", () => {
  expect(codeMessages(SERVER_MESSAGES)).toEqual(pageMessages("From the server"));
});

test("PROTOCOL.md - the limits", () => {
  const limits = section("Limits");
  expect(limits).toContain(`| envelope | ${MAX_ENVELOPE_BYTES / 1024 / 1024} MiB;`);
  expect(limits).toContain(`| messages in an envelope | ${MAX_MESSAGES.toLocaleString("en")} |`);
  expect(limits).toContain(
    `a worker grants ${WORKER_CREDIT.messages.toLocaleString("en")} messages and ${WORKER_CREDIT.bytes / 1024 / 1024} MiB;`,
  );
  expect(limits).toContain(`none for ${SILENCE / 1000} s `);
  expect(limits).toContain(`| authority | ${AUTHORITY_SECONDS} s in a process,`);
});

test("PROTOCOL.md - the version", () => {
  expect(PAGE).toContain(`# The bridge protocol, version ${PROTOCOL_MAX}\n`);
  expect(PROTOCOL_MIN).toBeLessThanOrEqual(PROTOCOL_MAX);
});
