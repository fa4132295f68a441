import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ConfigurationError } from "./errors.ts";

/** The folder of the npm package: it carries the Python source, so that worker and sidecar always match. */
export const PACKAGE_ROOT = findRoot(dirname(fileURLToPath(import.meta.url)));
/** Version of the npm package. */
export const VERSION: string = JSON.parse(readFileSync(join(PACKAGE_ROOT, "package.json"), "utf8")).version;
/** The folder that holds the Python package `rayferry`. */
export const PYTHON_SOURCE = join(PACKAGE_ROOT, "python");

function findRoot(folder: string): string {
  if (existsSync(join(folder, "python", "rayferry", "__init__.py"))) return folder;
  const parent = dirname(folder);
  if (parent === folder)
    throw new ConfigurationError(
      "rayferry's package is incomplete: its folder python/rayferry is missing. Install it again.",
    );
  return findRoot(parent);
}
