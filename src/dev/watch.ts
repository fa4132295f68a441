import { type FSWatcher, watch } from "node:fs";
import { dirname, join } from "node:path";

/** Milliseconds of quiet after a change: editors write a file in several steps. */
const QUIET = 250;

/** Calls back when a Python file beside the task modules changes, with its name. */
export class TaskWatcher {
  readonly #folder: string;
  readonly #onChange: (file: string) => void;
  readonly #watchers = new Map<string, FSWatcher>();
  #timer: NodeJS.Timeout | null = null;

  constructor(folder: string, onChange: (file: string) => void) {
    this.#folder = folder;
    this.#onChange = onChange;
  }

  /** Follows these modules: the folders of the files they came from, or where they would be. */
  follow(modules: readonly string[], files: readonly (string | null)[]): void {
    const guessed = modules.map((module) => join(this.#folder, `${module.replaceAll(".", "/")}.py`));
    const known = files.filter((file) => file !== null);
    for (const folder of new Set([...guessed, ...known].map((file) => dirname(file)))) this.#watch(folder);
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #watch(folder: string): void {
    if (this.#watchers.has(folder)) return;
    try {
      const watcher = watch(folder, (_event, file) => {
        if (file?.endsWith(".py")) this.#changed(file);
      });
      watcher.on("error", () => {});
      this.#watchers.set(folder, watcher);
    } catch {
      // No such folder: the module isn't there, which the registry's failures say.
    }
  }

  #changed(file: string): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#onChange(file), QUIET);
  }
}
