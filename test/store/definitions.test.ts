import { afterAll, beforeEach, expect, test } from "vitest";
import { InvalidInputError, UnknownTaskError } from "../../src/errors.ts";
import { TaskRegistry } from "../../src/registry.ts";
import { define, readDefinitions, type TaskDefinition } from "../../src/store/definitions.ts";
import { openTestStore } from "../support/seed.ts";

const { store, empty, close } = await openTestStore();
afterAll(close);
beforeEach(empty);

function definition(name: string, fields: Partial<TaskDefinition> = {}): TaskDefinition {
  const parameter = {
    name: "a",
    kind: "positional_or_keyword",
    required: true,
    annotation: "int",
    default: null,
  } as const;
  const defaults = {
    module: "m",
    kind: "function",
    queue: "gpu",
    num_cpus: 0.5,
    doc: "Ä doc.",
    parameters: [parameter],
  };
  return { name, ...defaults, ...fields };
}

test("define - what is written is what is read, by name", async () => {
  await define(store, [definition("m.b"), definition("m.a", { doc: null, parameters: [] })]);
  expect(await readDefinitions(store)).toEqual([definition("m.a", { doc: null, parameters: [] }), definition("m.b")]);
});

test("define - a task that is there gets its new signature; others stay", async () => {
  await define(store, [definition("m.a"), definition("m.b")]);
  await define(store, [definition("m.a", { module: "n", queue: "cpu", num_cpus: 2, parameters: [] })]);
  const [changed, other] = await readDefinitions(store);
  expect(changed).toMatchObject({ module: "n", queue: "cpu", num_cpus: 2, parameters: [] });
  expect(other).toEqual(definition("m.b"));
});

test("define - nothing, and two workers with the same tasks at once", async () => {
  await define(store, []);
  expect(await readDefinitions(store)).toEqual([]);
  const tasks = Array.from({ length: 50 }, (_each, n) => definition(`m.t${n}`));
  await Promise.all([define(store, tasks), define(store, tasks.toReversed()), define(store, tasks)]);
  expect(await readDefinitions(store)).toHaveLength(50);
});

test("TaskRegistry - refuses nothing before any worker has registered", async () => {
  expect(await new TaskRegistry(store).check("m.a", { anything: 1 })).toBeNull();
});

test("TaskRegistry - knows, refuses with what is registered and near, refuses what doesn't fit", async () => {
  await define(store, [definition("m.train"), definition("m.b")]);
  const registry = new TaskRegistry(store);
  expect(await registry.check("m.train", { a: 1 })).toEqual(definition("m.train"));
  await expect(registry.check("m.tain", {})).rejects.toThrow(UnknownTaskError);
  await expect(registry.check("m.tain", {})).rejects.toThrow(
    'No worker has registered a task named "m.tain". Did you mean "m.train"? Registered: m.b, m.train.',
  );
  await expect(registry.check("m.train", { b: 1 })).rejects.toThrow(InvalidInputError);
});

test("TaskRegistry - reads once for many checks at once", async () => {
  await define(store, [definition("m.a")]);
  let reads = 0;
  const counting = {
    ...store,
    query: (text: string, params: readonly (string | null)[]) => {
      reads += 1;
      return store.query(text, params);
    },
  };
  const registry = new TaskRegistry(counting);
  await Promise.all(Array.from({ length: 20 }, () => registry.check("m.a", [1])));
  await registry.check("m.a", [1]);
  expect(reads).toBe(1);
});
