import { hostname } from "node:os";
import { describe, expect, test } from "vitest";
import { ConfigurationError, OptionNotSupportedError } from "../../src/errors.ts";
import { checkWorkerOptions, type WorkerOptions } from "../../src/worker/options.ts";
import { checkRetention } from "../../src/worker/retention.ts";

const MINIMUM = { databaseUrl: "postgres://h/d", tasks: ["my_tasks"] };
const check = (options: object) => checkWorkerOptions({ ...MINIMUM, ...options } as WorkerOptions);

test("checkWorkerOptions - every default", () => {
  expect(check({ name: "w" })).toEqual({
    allowNoTasks: false,
    attached: false,
    orphanGrace: 600,
    hostOn: null,
    databaseUrl: "postgres://h/d",
    tasks: ["my_tasks"],
    name: "w",
    queues: ["default"],
    concurrency: null,
    runner: "local",
    server: null,
    rayAddress: null,
    python: null,
    folder: process.cwd(),
    grace: 30,
    cancelGrace: 5,
    retention: checkRetention({}),
    listenUrl: null,
    claimJournal: null,
    schema: null,
  });
});

test("checkWorkerOptions - the name is the host's where none is given", () => {
  expect(check({}).name).toBe(hostname());
});

test("checkWorkerOptions - what is given is kept; repetitions count once", () => {
  const given = {
    tasks: ["a", "b.c", "a"],
    queues: ["q", "r", "q"],
    concurrency: 1,
    runner: "cluster",
    rayAddress: "10.0.0.1:6379",
    grace: 0,
    cancelGrace: 0.5,
    schema: "s",
    python: "/p",
    folder: "/f",
  };
  expect(check(given)).toMatchObject({ ...given, tasks: ["a", "b.c"], queues: ["q", "r"] });
});

test.each(["head", "node", "a1b2c3d4", "10.0.0.5", "fd00::5", "ray-2.internal"])(
  "checkWorkerOptions - the server's actor lives on %s where that is asked for",
  (hostOn) => {
    expect(check({ rayAddress: "ray-head:6379", hostOn }).hostOn).toBe(hostOn);
  },
);

test("checkWorkerOptions - a Ray address means the runner cluster", () => {
  expect(check({ rayAddress: "ray-head:6379" }).runner).toBe("cluster");
});

test("checkWorkerOptions - a server elsewhere instead of a sidecar", () => {
  const given = { tasks: [], server: "tcp://127.0.0.1:6390", name: "w" };
  const server = { endpoint: "tcp://127.0.0.1:6390", curve: null };
  expect(check(given)).toMatchObject({ server, runner: null, tasks: [], rayAddress: null, name: "w", grace: 30 });
});

describe("checkWorkerOptions - refuses", () => {
  test.each<[object, string]>([
    [{ tasks: ["t"] }, "--tasks doesn't go with --server (or RAYFERRY_SERVER): name them where the server is started"],
    [{ tasks: [], runner: "sync" }, "--runner doesn't go with --server"],
    [{ tasks: [], rayAddress: "h:1" }, "--ray-address doesn't go with --server"],
    [{ tasks: [], attached: true }, "--attached doesn't go with --server"],
    [{ tasks: [], orphanGrace: 5 }, "--orphan-grace doesn't go with --server"],
    [{ tasks: [], python: "python3" }, "--python doesn't go with --server"],
    [{ tasks: [], server: "127.0.0.1:1" }, "--server takes tcp://HOST:PORT"],
  ])("%j with a server elsewhere", (options, sentence) => {
    const given = { server: "ipc:///run/s", ...options };
    expect(() => check(given)).toThrow(ConfigurationError);
    expect(() => check(given)).toThrow(sentence);
  });

  test.each<[object, string]>([
    [{ tasks: [] }, "Name at least one Python module with tasks"],
    [{ tasks: ["shop/tasks.py"] }, 'not "shop/tasks.py". Did you mean "shop.tasks"?'],
    [{ tasks: ["a b"] }, 'not "a b".'],
    [{ tasks: ["a..b"] }, '--tasks takes Python module names like "my_tasks" or "shop.tasks", not "a..b".'],
    [{ tasks: ["-c"] }, 'not "-c".'],
    [{ tasks: [""] }, 'not "".'],
    [{ queues: [] }, "A worker needs at least one queue."],
    [{ queues: ["a b"] }, "A queue's name must be 1 to 100"],
    [{ name: "" }, "A worker's name must be 1 to 63 of the characters"],
    [{ name: "a/b" }, 'not "a/b".'],
    [{ name: "n".repeat(64) }, "A worker's name must be"],
    [{ concurrency: 0 }, "concurrency must be a whole number from 1 to 100000, not 0."],
    [{ concurrency: 1.5 }, "not 1.5."],
    [{ concurrency: Number.NaN }, "not NaN."],
    [{ grace: -1 }, "grace must be a number of seconds from 0 to 2000000, not -1."],
    [
      { cancelGrace: Number.POSITIVE_INFINITY },
      "cancelGrace must be a number of seconds from 0 to 2000000, not Infinity.",
    ],
    [{ runner: "clutser" }, 'There is no runner "clutser". Did you mean "cluster"?'],
    [{ runner: "cluster" }, "The runner cluster needs the address of a Ray head"],
    [{ runner: "local", rayAddress: "h:1" }, "A Ray address goes with the runner cluster, not with local."],
    [{ runner: "sync", rayAddress: "h:1" }, "A Ray address goes with the runner cluster, not with sync."],
    [
      { rayAddress: "head" },
      "A Ray address looks like 10.0.0.1:6379 (host and port of the head's GCS), or ray://10.0.0.1:10001 for Ray's client, not \"head\".",
    ],
    [{ rayAddress: "http://h:1" }, "A Ray address looks like"],
    [{ hostOn: "head" }, "the runner local has none: its server lives in the sidecar. Leave it out."],
    [{ hostOn: "head", runner: "sync" }, "the runner sync has none"],
    [{ rayAddress: "ray://h:10001", attached: true }, "attached doesn't go with a ray:// address"],
    [{ rayAddress: "ray://h:10001", hostOn: "node" }, "with a ray:// address it has none"],
    [{ rayAddress: "ray://h" }, 'or ray://10.0.0.1:10001 for Ray\'s client, not "ray://h".'],
    [{ hostOn: "node", rayAddress: "h:1", attached: true }, "an attached worker has none"],
    [{ hostOn: "two words", rayAddress: "h:1" }, "--host-on takes head, node, or a Ray node's id"],
    [{ hostOn: "--attached", rayAddress: "h:1" }, 'address or host name, not "--attached".'],
    [{ concurency: 1 }, 'A worker has no option "concurency". Did you mean "concurrency"?'],
  ])("%j", (options, sentence) => {
    expect(() => check(options)).toThrow(ConfigurationError);
    expect(() => check(options)).toThrow(sentence);
  });

  test.each([[{ runner: "job" }, 'The runner "job" isn\'t built yet']])(
    "%j, which isn't built yet",
    (options, sentence) => {
      expect(() => check(options)).toThrow(OptionNotSupportedError);
      expect(() => check(options)).toThrow(sentence);
    },
  );
});
