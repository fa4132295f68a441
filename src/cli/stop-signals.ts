/** Aborts at the first SIGINT, SIGTERM or SIGHUP; the second ends the process at once: what it started ends by its own watch. */
export function stopSignals(onFirst: (signal: string) => void): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(130);
      onFirst(name);
      controller.abort();
    });
  }
  return controller.signal;
}
