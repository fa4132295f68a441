import { existsSync } from "node:fs";
import { join } from "node:path";
import { PACKAGE_ROOT } from "../package.ts";

/** The interpreter to run the sidecar with: what was asked for, else the nearest virtual environment, else `python3`. */
export function findPython(asked: string | null, folder: string, env: NodeJS.ProcessEnv = process.env): string {
  const explicit = asked ?? env["RAYFERRY_PYTHON"];
  if (explicit !== undefined && explicit !== null && explicit !== "") return explicit;
  const homes = [env["VIRTUAL_ENV"], join(folder, ".venv"), join(folder, "venv"), join(PACKAGE_ROOT, ".venv")];
  const found = homes
    .filter((home) => home !== undefined && home !== "")
    .map((home) => join(String(home), "bin", "python"));
  return found.find((path) => existsSync(path)) ?? "python3";
}
