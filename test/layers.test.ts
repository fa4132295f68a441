import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const BIOME = join(ROOT, "node_modules", ".bin", "biome");

const REFUSED = [
  ["src/backend.ts", "postgres"],
  ["src/backend.ts", "drizzle-orm"],
  ["src/backend.ts", "./worker/claimer.ts"],
  ["src/backend.ts", "./cli/main.ts"],
  ["src/backend.ts", "./dev/postgres.ts"],
  ["src/backend-options.ts", "drizzle-orm"],
  ["src/enqueuer.ts", "./worker/claimer.ts"],
  ["src/cli/list.ts", "postgres"],
  ["src/cli/list.ts", "drizzle-orm/postgres-js"],
  ["src/worker/claimer.ts", "postgres"],
  ["src/worker/claimer.ts", "zeromq"],
  ["src/worker/claimer.ts", "../cli/main.ts"],
  ["src/worker/claimer.ts", "../dev/postgres.ts"],
  ["src/worker/deeper/claimer.ts", "../../dev/postgres.ts"],
  ["src/store/claim.ts", "../worker/claimer.ts"],
  ["src/store/claim.ts", "../cli/main.ts"],
  ["src/store/claim.ts", "../dev/postgres.ts"],
  ["src/store/claim.ts", "../backend.ts"],
  ["src/store/claim.ts", "../../bridge/src/index.ts"],
  ["src/store/claim.ts", "zeromq"],
  ["src/dev/postgres.ts", "drizzle-orm"],
  ["src/index.ts", "zeromq"],
  ["src/testing/index.ts", "rayferry/worker"],
  ["bridge/src/session.ts", "zeromq"],
  ["bridge/src/session.ts", "postgres"],
  ["bridge/src/session.ts", "../../src/store/claim.ts"],
  ["bridge/src/session.ts", "../../src/worker/claimer.ts"],
  ["bridge/src/session.ts", "../../src/cli/main.ts"],
  ["bridge/src/socket.ts", "../../src/store/claim.ts"],
] as const;

const ALLOWED = [
  ["src/store/claim.ts", "postgres"],
  ["src/store/claim.ts", "drizzle-orm"],
  ["src/dev/postgres.ts", "postgres"],
  ["src/testing/database.ts", "postgres"],
  ["src/index.ts", "postgres"],
  ["src/backend.ts", "./store/enqueue.ts"],
  ["src/worker/claimer.ts", "../store/claim.ts"],
  ["src/worker/bridge.ts", "../../bridge/src/index.ts"],
  ["src/cli/main.ts", "../worker/index.ts"],
  ["src/cli/dev.ts", "../dev/postgres.ts"],
  ["bridge/src/socket.ts", "zeromq"],
  ["bridge/src/session.ts", "../../src/errors.ts"],
  ["test/dev/postgres.test.ts", "postgres"],
] as const;

/** What else the lint must see; each line stands alone in a file of its own. */
const BAD_CODE = {
  noExplicitAny: "export const x: any = 1;",
  noTsIgnore: "// @ts-ignore\nexport const x: string = 1;",
  noNonNullAssertion: "export const f = (x: string | null) => x!.length;",
  noDefaultExport: "export default 1;",
  noUnusedImports: 'import { join } from "node:path";',
  useImportType: 'import { Stats } from "node:fs";\nexport type Y = Stats;',
  useImportExtensions: 'export { x } from "./noExplicitAny";',
  noImportCycles: 'import { x } from "./other.ts";\nexport const y = x;',
  noFloatingPromises: "const f = async () => 1;\nexport const g = () => {\n  f();\n};",
} as const;

describe("biome.json", () => {
  let folder: string;
  /** `path:line rule`, one for each finding. */
  let findings: Set<string>;

  // One project of nothing but offences, one import a line, in one run: biome takes its rules from the path.
  beforeAll(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), "rayferry-lint-")));
    const config = JSON.parse(await readFile(join(ROOT, "biome.json"), "utf8")) as { vcs: object };
    await write("biome.json", JSON.stringify({ ...config, vcs: { enabled: false } }));
    for (const [path, modules] of importsByPath()) {
      await write(path, modules.map(importing).join("\n"));
    }
    for (const [rule, source] of Object.entries(BAD_CODE)) await write(`src/cli/${rule}.ts`, source);
    await write("src/cli/other.ts", 'import { y } from "./noImportCycles.ts";\nexport const x = y;');
    findings = await lint();
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function write(path: string, text: string): Promise<void> {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), `${text}\n`);
  }

  async function lint(): Promise<Set<string>> {
    const args = ["lint", "--reporter=github", "--max-diagnostics=none"];
    const output = await new Promise<string>((resolve) => {
      execFile(BIOME, args, { cwd: folder }, (_error, stdout, stderr) => resolve(stdout + stderr));
    });
    const lines = output.matchAll(/title=lint\/\w+\/(\w+),file=([^,]+),line=(\d+)/g);
    return new Set([...lines].map(([, rule, path = "", line]) => `${relative(folder, path)}:${line} ${rule}`));
  }

  test.each(REFUSED)("%s may not import %s", (path, module) => {
    for (const line of linesOf(path, module)) expect(findings).toContain(`${path}:${line} noRestrictedImports`);
  });

  test.each(ALLOWED)("%s may import %s", (path, module) => {
    for (const line of linesOf(path, module)) expect(findings).not.toContain(`${path}:${line} noRestrictedImports`);
  });

  test.each(Object.keys(BAD_CODE))("%s is on", (rule) => {
    const found = [...findings].filter((each) => each.startsWith(`src/cli/${rule}.ts:`)).join("\n");
    expect(found).toContain(rule);
  });
});

function importsByPath(): Map<string, string[]> {
  const imports = new Map<string, string[]>();
  for (const [path, module] of [...REFUSED, ...ALLOWED]) imports.set(path, [...(imports.get(path) ?? []), module]);
  return imports;
}

/** A type, a value, and at run time: an arrow is an arrow. */
function importing(module: string, index: number): string {
  return [
    `import type { T${index} } from "${module}";`,
    `import { v${index} } from "${module}";`,
    `export const later${index} = async (): Promise<T${index}> => (await import("${module}")).x ?? v${index};`,
  ].join("\n");
}

function linesOf(path: string, module: string): number[] {
  const first = (importsByPath().get(path) ?? []).indexOf(module) * 3 + 1;
  return [first, first + 1, first + 2];
}
