import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Output } from "./output.ts";
import { TASKS_FOLDER } from "./sync-worker.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** A build of the package in a folder of its own, to be run beside another one. */
export class Build {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** From the sources as they are. */
  static make(folder: string): Build {
    mkdirSync(join(folder, "src/store"), { recursive: true });
    const tsc = join(ROOT, "node_modules/.bin/tsc");
    execFileSync(tsc, ["-p", join(ROOT, "tsconfig.build.json"), "--outDir", join(folder, "dist")]);
    cpSync(join(ROOT, "src/store/migrations"), join(folder, "src/store/migrations"), { recursive: true });
    cpSync(join(ROOT, "package.json"), join(folder, "package.json"));
    return new Build(folder).#linked();
  }

  /** The same with another version number. */
  copy(folder: string, version: string): Build {
    for (const part of ["dist", "src", "package.json"])
      cpSync(join(this.folder, part), join(folder, part), { recursive: true });
    const description = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    writeFileSync(join(folder, "package.json"), JSON.stringify({ ...description, version }));
    return new Build(folder).#linked();
  }

  addMigration(tag: string, when: number, sql: string): void {
    const migrations = join(this.folder, "src/store/migrations");
    writeFileSync(join(migrations, `${tag}.sql`), sql);
    const journal = JSON.parse(readFileSync(join(migrations, "meta/_journal.json"), "utf8"));
    journal.entries.push({ idx: journal.entries.length, version: "7", when, tag, breakpoints: true });
    writeFileSync(join(migrations, "meta/_journal.json"), JSON.stringify(journal));
  }

  /** Starts `rayferry ARGS` of this build; the caller ends it. */
  start(args: readonly string[]): { child: ChildProcess; output: Output } {
    const child = spawn(process.execPath, [join(this.folder, "dist/src/cli/main.js"), ...args], {
      cwd: TASKS_FOLDER,
      env: { ...process.env, RAYFERRY_PYTHON: join(ROOT, ".venv/bin/python") },
      stdio: ["ignore", "pipe", "pipe"],
    });
    return { child, output: new Output(child) };
  }

  #linked(): this {
    for (const part of ["python", "node_modules"]) symlinkSync(join(ROOT, part), join(this.folder, part));
    return this;
  }
}
