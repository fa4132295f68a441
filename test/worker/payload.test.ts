/** Values on the whole path without Ray: library, Postgres, worker, ZeroMQ, sidecar, a Python function, and back. */
import fc from "fast-check";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RayTaskBackend, ZonedDate } from "../../src/index.ts";
import type { Worker } from "../../src/worker/index.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { exact } from "../support/exact.ts";
import { syncWorker } from "../support/sync-worker.ts";
import { plainValue } from "../support/values.ts";

const moment = (text: string) => ZonedDate.from(text);
const JSON_COLUMN = "result";
const BYTES_COLUMN = "result_bytes";

/** `CORPUS` of payload_tasks.py: as what each arrives, and in which column it was kept. */
const ARRIVALS: Readonly<Record<string, readonly [unknown, string]>> = {
  "int beyond 64 bits": [-(10n ** 30n), BYTES_COLUMN],
  "int beyond 2^53": [2n ** 53n, BYTES_COLUMN],
  "float that is whole": [1, JSON_COLUMN],
  "float beyond 2^53": [1e23, BYTES_COLUMN],
  NaN: [Number.NaN, BYTES_COLUMN],
  "negative zero": [-0, BYTES_COLUMN],
  bytes: [new Uint8Array([0, 255]), BYTES_COLUMN],
  NUL: ["a\0b", BYTES_COLUMN],
  tuple: [[1, [2]], JSON_COLUMN],
  set: [[1], JSON_COLUMN],
  "named tuple": [[1, 2], JSON_COLUMN],
  "dict with int keys": [
    new Map<unknown, unknown>([
      [1, { a: 2 }],
      ["1", null],
    ]),
    BYTES_COLUMN,
  ],
  "dict with a hostile key": [JSON.parse('{"__proto__": {"admin": true}, "constructor": 1}'), JSON_COLUMN],
  dataclass: [{ when: new Date("2026-07-01T12:00:00.001Z"), price: "1.50", tags: ["a"] }, BYTES_COLUMN],
  struct: [{ firstName: "Ada" }, JSON_COLUMN],
  "pydantic model": [{ userId: 1, when: "2026-01-02" }, JSON_COLUMN],
  enum: ["red", JSON_COLUMN],
  Decimal: ["-1.50", JSON_COLUMN],
  UUID: ["00000000-0000-0000-0000-000000000001", JSON_COLUMN],
  "UTC to the millisecond": [new Date("2026-07-01T12:00:00.001Z"), BYTES_COLUMN],
  "UTC to the microsecond": [moment("2026-07-01T12:00:00.000001Z"), BYTES_COLUMN],
  "with a zone": [moment("2026-07-01T12:00:00+02:00[Europe/Berlin]"), BYTES_COLUMN],
  "the second hour of two": [moment("2026-10-25T02:30:00+01:00[Europe/Berlin]"), BYTES_COLUMN],
  "with an offset": [moment("2026-07-01T12:00:00-03:00"), BYTES_COLUMN],
  naive: ["2026-07-01T12:00:00.000001", JSON_COLUMN],
  date: ["2026-07-01", JSON_COLUMN],
  time: ["12:30:00", JSON_COLUMN],
  timedelta: ["P1DT1.5S", JSON_COLUMN],
  "numpy float32": [Math.fround(0.1), JSON_COLUMN],
  "numpy int64": [2n ** 60n, BYTES_COLUMN],
  "numpy bool": [true, JSON_COLUMN],
  "numpy float64 array": [new Float64Array([0.5, -0]), BYTES_COLUMN],
  "numpy int64 array": [new BigInt64Array([0n, 1n]), BYTES_COLUMN],
  "numpy uint8 array": [new Uint8Array([255]), BYTES_COLUMN],
  "numpy bool array": [[true], JSON_COLUMN],
  "numpy matrix": [
    [
      [0, 1],
      [2, 3],
    ],
    JSON_COLUMN,
  ],
};

describe("payloads through a worker", () => {
  let database: TestDatabase;
  let backend: RayTaskBackend;
  let worker: Worker;
  let sql: postgres.Sql;

  beforeAll(async () => {
    database = await createTestDatabase();
    sql = postgres(database.url, { max: 1, onnotice: () => {} });
    backend = new RayTaskBackend({ databaseUrl: database.url });
    worker = syncWorker(database.url, { tasks: ["sample_tasks", "payload_tasks"], concurrency: 50 });
    await worker.start();
  });

  afterAll(async () => {
    await worker?.stop(0);
    await backend?.close();
    await sql?.end();
    await database?.drop();
  });

  const run = async (task: string, input: unknown) => (await backend.enqueue(task, input)).result({ timeout: 10 });

  /** Each by itself, so that each is in the column that it needs. */
  async function echoed(values: readonly unknown[]): Promise<unknown[]> {
    const executions = await backend.enqueueMany(values.map((value) => ({ task: "sample.echo", input: { value } })));
    return await Promise.all(executions.map((each) => each.result({ timeout: 10 })));
  }

  test("whatever TypeScript sends - Python gives back the same", async () => {
    const property = fc.asyncProperty(fc.array(plainValue(), { minLength: 25, maxLength: 40 }), async (values) => {
      expect(exact(await echoed(values))).toEqual(exact(values));
    });
    await fc.assert(property, { numRuns: 30 });
  });

  test("what TypeScript can't get back as it was - comes back as documented", async () => {
    const cases: readonly (readonly [unknown, unknown])[] = [
      [new Uint8ClampedArray([255]), new Uint8Array([255])],
      [Buffer.from("ab"), new Uint8Array([97, 98])],
      [new Map([["a", new Set([1])]]), { a: [1] }],
      [5n, 5],
      [[undefined], [null]],
    ];
    expect(exact(await echoed(cases.map(([sent]) => sent)))).toEqual(exact(cases.map(([, back]) => back)));
  });

  test("Python's odd values - arrive as documented, each in the column that says it exactly", async () => {
    const names = Object.keys(ARRIVALS);
    const executions = await backend.enqueueMany(names.map((name) => ({ task: "payload.one", input: { name } })));
    const values = await Promise.all(executions.map((each) => each.result({ timeout: 10 })));
    const rows = await sql`select id, result is not null as json from rayferry.ray_task_execution`;
    const isJson = new Map(rows.map((row) => [row["id"], row["json"]]));
    const got = executions.map(({ id }, index) => [exact(values[index]), isJson.get(id) ? JSON_COLUMN : BYTES_COLUMN]);
    expect(Object.fromEntries(names.map((name, index) => [name, got[index]]))).toEqual(
      Object.fromEntries(names.map((name) => [name, [exact(ARRIVALS[name]?.[0]), ARRIVALS[name]?.[1]]])),
    );
  });

  test("all of Python's odd values in one result - arrive the same", async () => {
    const all = (await run("payload.all", {})) as [string, unknown][];
    expect(exact(all)).toEqual(exact(Object.entries(ARRIVALS).map(([name, [value]]) => [name, value])));
  });

  test("TypeScript's values - are in Python what the page says", async () => {
    const values = [
      1,
      1.5,
      2n ** 70n,
      -0,
      "ü",
      true,
      null,
      new Uint8Array([1]),
      new Date(0),
      new Map([[1, 2]]),
      new Set([1]),
    ];
    expect(await run("payload.types", [values])).toEqual([
      "int 1",
      "float 1.5",
      "int 1180591620717411303424",
      "float -0.0",
      "str 'ü'",
      "bool True",
      "NoneType None",
      "bytes b'\\x01'",
      "datetime datetime.datetime(1970, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)",
      "dict {1: 2}",
      "list [1]",
    ]);
    const arrays = [new Float64Array([0.5]), new Uint8ClampedArray([7]), new BigInt64Array([1n])];
    expect(await run("payload.types", { values: arrays })).toEqual([
      "ndarray array([0.5])",
      "ndarray array([7], dtype=uint8)",
      "ndarray array([1])",
    ]);
  });

  test("annotated parameters - get what they say", async () => {
    const rows = [
      { when: new Date(0), price: "1.10", tags: ["a"] },
      { when: "2026-07-01T12:00:00", price: 2.2 },
    ];
    const input = { rows, model: { userId: 1, when: "2026-01-02" } };
    expect(await run("payload.total", input)).toEqual(["3.30", [true, false], "2026-01-02", ""]);
  });

  test.each<[string, unknown, string]>([
    ["a value", { rows: [{ when: new Date(0) }, { when: 5 }] }, "input.rows[1].when: expected datetime, got int."],
    ["a value by position", [[{ when: "soon" }]], "input[0][0].when: invalid RFC3339 encoded datetime."],
    [
      "a model's member",
      { rows: [], model: { userId: "x", when: "2026-01-02" } },
      "input.model.userId: input should be",
    ],
    [
      "a member too many",
      { rows: [{ when: new Date(0), prize: 1 }] },
      "input.rows[0].prize: Row has no such field (did you mean 'price'?).",
    ],
    [
      "a zone that nobody knows",
      { rows: [{ when: new ZonedDate(0n, 0, "Mars/Olympus") }] },
      "input.rows[0].when can't be read: the time zone 'Mars/Olympus' isn't known",
    ],
  ])("%s that doesn't fit - ends FAILED as InvalidInput with its path", async (_what, input, sentence) => {
    const refused = await run("payload.total", input).catch((error: unknown) => error);
    expect(refused).toMatchObject({ error: { code: "InvalidInput" } });
    expect(String(refused)).toContain(sentence);
  });

  test("a result that can't be sent - ends FAILED as ResultNotSerializable with its path", async () => {
    const refused = await run("payload.refused", {}).catch((error: unknown) => error);
    expect(refused).toMatchObject({ error: { code: "ResultNotSerializable" } });
    expect(String(refused)).toContain("result.rows[3].when is of type object.");
  });

  test("an integer of a row written by hand - is exact in both languages", async () => {
    const input = '{"value": [12345678901234567890, 10000000000000000000000000000000]}';
    const [row] =
      await sql`insert into rayferry.ray_task_execution (task, input) values ('sample.echo', ${input}::text::jsonb) returning id`;
    await sql`select pg_notify('rayferry_enqueued', 'default')`;
    const execution = await backend.get(row?.["id"]);
    const value = [12345678901234567890n, 10n ** 31n];
    expect(await execution.result({ timeout: 10 })).toEqual(value);
    expect(execution.input).toEqual({ value });
  });
});
