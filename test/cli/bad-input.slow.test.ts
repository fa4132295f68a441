/** Whatever is mistyped or missing: one sentence that says what to do, a status that isn't 0, no stack trace, nothing written. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RayTaskBackend } from "../../src/index.ts";
import { connect } from "../../src/store/connection.ts";
import { define } from "../../src/store/definitions.ts";
import { type CliRun, cli } from "../support/cli.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

describe("the command line", () => {
  let database: TestDatabase;
  let empty: TestDatabase;
  let backend: RayTaskBackend;

  beforeAll(async () => {
    [database, empty] = await Promise.all([createTestDatabase(), createTestDatabase({ migrated: false })]);
    backend = new RayTaskBackend({ databaseUrl: database.url });
    const store = connect({ databaseUrl: database.url });
    const parameter = { kind: "positional_or_keyword", annotation: "int", default: null, required: true } as const;
    const parameters = [
      { ...parameter, name: "a" },
      { ...parameter, name: "b", required: false, default: "2" },
    ];
    await define(store, [
      { name: "math.add", module: "m", kind: "function", queue: "default", num_cpus: 1, doc: null, parameters },
    ]);
    await store.close();
  });

  afterAll(async () => {
    await backend?.close();
    await Promise.all([database?.drop(), empty?.drop()]);
  });

  const run = (...args: string[]): Promise<CliRun> => cli(args, { env: { RAYFERRY_DATABASE_URL: database.url } });

  /** One sentence on stderr and nothing else. */
  function expectSentence(outcome: CliRun, sentence: string, status: number): void {
    expect(outcome.stderr.trim()).toMatch(/^(rayferry|error): .+/);
    expect(outcome.stderr).toContain(sentence);
    expect(outcome.stderr).not.toMatch(/^\s+at /m);
    expect(outcome.stdout).toBe("");
    expect(outcome.status).toBe(status);
  }

  test.each([
    ["an unknown command", ["enqeue", "x"], "unknown command 'enqeue'", 2],
    ["an unknown option", ["list", "--sate", "queued"], "unknown option '--sate'", 2],
    ["a missing argument", ["enqueue"], "missing required argument 'task'", 2],
    ["an unknown task", ["enqueue", "math.ad"], 'Did you mean "math.add"?', 1],
    ["arguments that don't fit", ["enqueue", "math.add", "--input", '{"c": 1}'], 'unexpected argument "c"', 1],
    ["a missing argument of the task", ["enqueue", "math.add"], 'missing 1 required argument(s): "a"', 1],
    ["input that isn't JSON", ["enqueue", "math.add", "--input", "{a: 1}"], "--input isn't JSON", 2],
    ["input that is a word", ["enqueue", "math.add", "--input", '"x"'], "takes an object of keyword arguments", 1],
    [
      "a delay that isn't a number",
      ["enqueue", "math.add", "--input", "[1]", "--delay", "soon"],
      "--delay takes a number",
      2,
    ],
    [
      "a negative delay",
      ["enqueue", "math.add", "--input", "[1]", "--delay=-5"],
      "delay must be a number of seconds",
      2,
    ],
    [
      "a priority out of range",
      ["enqueue", "math.add", "--input", "[1]", "--priority", "99999"],
      "from -32768 to 32767",
      2,
    ],
    ["a queue with a space", ["enqueue", "math.add", "--input", "[1]", "--queue", "a b"], "A queue's name must be", 2],
    [
      "a timeout that is no number",
      ["enqueue", "math.add", "--input", "[1]", "--timeout", "5s"],
      "--timeout takes a number",
      2,
    ],
    ["no tries at all", ["enqueue", "math.add", "--input", "[1]", "--max-attempts", "0"], "maxAttempts must be", 2],
    [
      "a timeout of nothing",
      ["enqueue", "math.add", "--input", "[1]", "--queue-timeout", "0"],
      "queueTimeout must be",
      2,
    ],
    ["an id that isn't one", ["show", "17"], "An execution's id is a UUID", 2],
    ["an id that isn't there", ["show", "0198c5a2-7f3e-7000-8000-000000000000"], "There is no execution", 1],
    ["a state that isn't one", ["list", "--state", "succeded"], 'Did you mean "SUCCEEDED"?', 2],
    ["a limit out of range", ["list", "--limit", "1000"], "limit must be a whole number from 1 to 200", 2],
    ["nothing to cancel", ["cancel"], "cancel needs an execution's id, or which ones", 2],
    ["an id and options to cancel", ["cancel", "17", "--all"], "not both", 2],
    ["a duration that isn't one", ["cancel", "--older-than", "soon"], "--older-than takes a number of seconds", 2],
    ["a state that can't be cancelled", ["cancel", "--state", "failed"], "has ended and can't be cancelled", 2],
    ["a queue's name with a space", ["pause", "a b"], "A queue's name must be", 2],
    ["an id that can't be retried", ["retry", "17"], "An execution's id is a UUID", 2],
    ["a rerun's input that isn't JSON", ["rerun", "17", "--input", "{a: 1}"], "--input isn't JSON", 2],
    ["a worker that isn't there", ["drain", "nobody"], "No worker is alive.", 1],
    ["a wait that isn't a number", ["drain", "nobody", "--wait", "long"], "--wait takes a number", 2],
    ["a worker without tasks", ["worker"], "Name at least one Python module", 2],
    ["a file for a module", ["worker", "--tasks", "my_tasks.py"], 'Did you mean "my_tasks"?', 2],
    ["a runner that isn't one", ["worker", "--tasks", "t", "--runner", "clutser"], 'Did you mean "cluster"?', 2],
    ["a runner not built yet", ["worker", "--tasks", "t", "--runner", "job"], "isn't built yet", 2],
    [
      "a cluster without an address",
      ["worker", "--tasks", "t", "--runner", "cluster"],
      "needs the address of a Ray head",
      2,
    ],
    ["an address that isn't one", ["worker", "--tasks", "t", "--ray-address", "head"], "A Ray address looks like", 2],
    ["a server's address that isn't one", ["worker", "--server", "10.0.0.5:6390"], "--server takes tcp://HOST:PORT", 2],
    ["a server elsewhere without keys", ["worker", "--server", "tcp://10.0.0.5:6390"], "--plain-tcp (insecure)", 2],
    [
      "tasks for a server elsewhere",
      ["worker", "--server", "tcp://127.0.0.1:1", "--tasks", "t"],
      "--tasks doesn't go with --server",
      2,
    ],
    [
      "a key file that isn't there",
      ["worker", "--server", "tcp://h:1", "--keys", "/no/such.key", "--server-key", "/no/such.pub"],
      "There is no key file /no/such.key",
      2,
    ],
    ["keys without a server", ["worker", "--tasks", "t", "--keys", "k"], "--keys goes with --server", 2],
    ["plain tcp without a server", ["worker", "--tasks", "t", "--plain-tcp"], "--plain-tcp goes with --server", 2],
    [
      "no concurrency",
      ["worker", "--tasks", "t", "--concurrency", "0"],
      "concurrency must be a whole number from 1",
      2,
    ],
    [
      "a Python that isn't there",
      ["worker", "--tasks", "t", "--python", "/no/python"],
      "/no/python can't be started",
      1,
    ],
  ])("%s - is refused in a sentence", async (_what, args, sentence, status) => {
    expectSentence(await run(...args), sentence, status);
  });

  test("a server in the environment, and tasks on the command line - is refused, where tasks in the environment are not", async () => {
    const env = { RAYFERRY_DATABASE_URL: database.url, RAYFERRY_SERVER: "tcp://10.0.0.5:6390", RAYFERRY_TASKS: "t" };
    expectSentence(await cli(["worker"], { env }), "--plain-tcp (insecure)", 2);
    const plain = { ...env, RAYFERRY_SERVER: "tcp://127.0.0.1:1" };
    expectSentence(await cli(["worker", "--tasks", "t"], { env: plain }), "(or RAYFERRY_SERVER)", 2);
  });

  test("none of it - has written anything", async () => {
    expect(Object.values(await backend.stats()).reduce((a, b) => a + b)).toBe(0);
  });

  test("no database named - says where to name one", async () => {
    expectSentence(await cli(["list"]), "No database is named", 2);
  });

  test("no Postgres at the URL - says so", async () => {
    expectSentence(
      await cli(["list", "--database-url", "postgres://u:p@127.0.0.1:1/x"]),
      "No Postgres answers at 127.0.0.1:1/x",
      1,
    );
  });

  test("a URL of another kind - says what one looks like, without its password", async () => {
    const outcome = await cli(["list", "--database-url", "mysql://u:secret@h/x"]);
    expectSentence(outcome, "must look like postgres://", 2);
    expect(outcome.stderr).not.toContain("secret");
  });

  test("a wrong password - says that the login was refused", async () => {
    const url = new URL(database.url);
    url.password = "wrong";
    const outcome = await cli(["list", "--database-url", url.href]);
    expectSentence(outcome, "refused the login", 1);
    expect(outcome.stderr).not.toContain("wrong");
  });

  test.each([["list"], ["enqueue"], ["worker"]])(
    "%s on a database that isn't migrated - says what to run",
    async (command) => {
      const args =
        { list: ["list"], enqueue: ["enqueue", "math.add"], worker: ["worker", "--tasks", "sample_tasks"] }[command] ??
        [];
      expectSentence(await cli([...args, "--database-url", empty.url]), "Run `rayferry migrate`", 1);
    },
  );

  test("--json - says it in a JSON document on stdout too", async () => {
    const outcome = await run("show", "0198c5a2-7f3e-7000-8000-000000000000", "--json");
    expect(JSON.parse(outcome.stdout)).toMatchObject({ error: { code: "EXECUTION_NOT_FOUND" } });
    expect(outcome.status).toBe(1);
  });

  test("--verbose - shows the stack", async () => {
    expect((await run("show", "0198c5a2-7f3e-7000-8000-000000000000", "--verbose")).stderr).toMatch(/^\s+at /m);
  });
});
