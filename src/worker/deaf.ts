import type { Logger } from "../logger.ts";
import type { Store } from "../store/connection.ts";

const MEANWHILE =
  "New executions are looked for each second meanwhile, and cancels go out with the next beat, within 2 s.";
const ADVICE =
  "Behind a transaction pooler (PgBouncer), add ?prepare=false to the database URL and give --listen-url a way around it (or RAYFERRY_LISTEN_URL).";

/** Says in one line that no notifications come, and again when they do. Answers how to stop that. */
export function sayWhenDeaf({ listener, where }: Store, logger: Logger): () => void {
  if (listener === null) {
    logger.warn(
      `Nothing listens for notifications: ${where} is said to be a transaction pooler (?prepare=false). ${MEANWHILE} With --listen-url (or RAYFERRY_LISTEN_URL), a way around it, they come at once.`,
    );
    return () => {};
  }
  let wasDeaf = false;
  return listener.onVerdict((works) => {
    if (!works)
      logger.warn(
        `No notification comes through LISTEN at ${where}: the connection leads nowhere and is replaced, a pooler is in between, or --listen-url names another database. ${MEANWHILE} ${ADVICE}`,
      );
    else if (wasDeaf) logger.info("Notifications come again.");
    wasDeaf = !works;
  });
}
