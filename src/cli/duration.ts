import { ConfigurationError } from "../errors.ts";

const SECONDS = { s: 1, m: 60, h: 3_600, d: 86_400 } as const;

/**
 * Seconds: a number, alone or with the unit s, m, h or d (`90`, `1.5h`).
 *
 * @throws ConfigurationError
 */
export function parseDuration(text: string, option: string): number {
  const [, number = "", unit = "s"] = /^(\d+(?:\.\d+)?)([smhd])?$/.exec(text.trim()) ?? [];
  if (number !== "") return Number(number) * SECONDS[unit as keyof typeof SECONDS];
  throw new ConfigurationError(
    `${option} takes a number of seconds, or one with s, m, h or d (90, 30m, 1h, 7d), not ${JSON.stringify(text)}.`,
  );
}
