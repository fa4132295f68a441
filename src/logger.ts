import { type DestinationStream, type Logger, pino, stdSerializers } from "pino";
import pretty from "pino-pretty";

export type { Logger } from "pino";

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Logs on stderr: for people in a terminal, as JSON lines everywhere else. */
export function createLogger(level: LogLevel = "info"): Logger {
  const options = { level, base: null, serializers: { error: stdSerializers.err } };
  return pino(options, process.stderr.isTTY ? prettyStream() : pino.destination({ dest: 2, sync: true }));
}

function prettyStream(): DestinationStream {
  return pretty({
    destination: 2,
    sync: true,
    translateTime: "SYS:HH:MM:ss.l",
    ignore: "component",
    messageFormat: "{if component}[{component}] {end}{msg}",
    singleLine: true,
  });
}
