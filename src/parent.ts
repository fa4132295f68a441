/** Milliseconds between looks at who our parent is. */
const PARENT_LOOK = 500;

/** Aborts when that process, our parent, is gone; with null never. npx is killed without a word to what it started. */
export function watchParent(pid: number | null): { readonly signal: AbortSignal; stop(): void } {
  const controller = new AbortController();
  if (pid === null) return { signal: controller.signal, stop: () => {} };
  const timer = setInterval(() => {
    if (process.ppid !== pid) controller.abort();
  }, PARENT_LOOK).unref();
  return { signal: controller.signal, stop: () => clearInterval(timer) };
}

/** The process id of the npx that started us; null where none did. */
export function npxPid(): number | null {
  return process.env["npm_command"] === "exec" ? process.ppid : null;
}
