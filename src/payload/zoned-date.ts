const TEXT =
  /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(Z|[+-]\d\d:\d\d(?::\d\d)?)(?:\[([A-Za-z0-9_+./-]{1,255})\])?$/;
const ZONE = /^[A-Za-z0-9_+./-]{1,255}$/;
const DAY_SECONDS = 86_400;
// Python's own range, in the local time that it keeps: 0001-01-01 to 9999-12-31.
const FIRST_MILLISECOND = -62_135_596_800_000;
const LAST_MILLISECOND = 253_402_300_799_999;

/**
 * A Date that knows what a Date can't: microseconds and the zone. Python's aware datetimes arrive as one unless a plain Date says all of it, and it goes
 * back to Python as it came. To make one: `ZonedDate.from("2026-07-01T12:00:00.123456+02:00[Europe/Berlin]")`.
 */
export class ZonedDate extends Date {
  /** Microseconds since 1970-01-01T00:00:00Z; `getTime()` is the same, cut to milliseconds. */
  readonly epochMicroseconds: bigint;
  /** Seconds east of UTC at that moment. */
  readonly offsetSeconds: number;
  /** `Europe/Berlin`, or null where there is only an offset. */
  readonly zone: string | null;

  /** @throws RangeError outside the years 1 to 9999, for an offset of a day or more, and for what can't be a zone's name. */
  constructor(epochMicroseconds: bigint, offsetSeconds = 0, zone: string | null = null) {
    super(Number(floorDivide(epochMicroseconds, 1000n)));
    if (!Number.isInteger(offsetSeconds) || Math.abs(offsetSeconds) >= DAY_SECONDS)
      throw new RangeError(`An offset is a whole number of seconds, less than a day, not ${offsetSeconds}.`);
    if (zone !== null && !ZONE.test(zone)) throw new RangeError(`${JSON.stringify(zone)} is no name of a time zone.`);
    if (!isPythonYear(this.getTime() + offsetSeconds * 1000))
      throw new RangeError("A ZonedDate lies in the years 1 to 9999, which are Python's.");
    this.epochMicroseconds = epochMicroseconds;
    this.offsetSeconds = Object.is(offsetSeconds, -0) ? 0 : offsetSeconds;
    // The zone that every offset of nothing is in.
    this.zone = zone === "UTC" && offsetSeconds === 0 ? null : zone;
  }

  /**
   * Reads `2026-07-01T12:00:00.123456+02:00[Europe/Berlin]`; fraction and zone may be left out.
   *
   * @throws RangeError
   */
  static from(text: string): ZonedDate {
    const [, local, fraction = "", offset = "", zone = null] = TEXT.exec(text) ?? [];
    const milliseconds = Date.parse(`${local}Z`);
    // Date.parse rolls 31 February over into March.
    if (Number.isNaN(milliseconds) || new Date(milliseconds).toISOString().slice(0, 19) !== local)
      throw new RangeError(`Expected a time like 2026-07-01T12:00:00.123456+02:00[Europe/Berlin], got "${text}".`);
    const offsetSeconds = parseOffset(offset);
    const microseconds = BigInt(milliseconds) * 1000n + BigInt(fraction.padEnd(6, "0"));
    return new ZonedDate(microseconds - BigInt(offsetSeconds) * 1_000_000n, offsetSeconds, zone);
  }

  /** RFC 9557, which Temporal reads: `2026-07-01T12:00:00.123456+02:00[Europe/Berlin]`. */
  override toString(): string {
    return `${this.toJSON()}${this.zone === null ? "" : `[${this.zone}]`}`;
  }

  /** RFC 3339, which `new Date()` reads: `2026-07-01T12:00:00.123456+02:00`. */
  override toJSON(): string {
    const local = this.epochMicroseconds + BigInt(this.offsetSeconds) * 1_000_000n;
    const seconds = floorDivide(local, 1_000_000n);
    const text = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
    const fraction = String(local - seconds * 1_000_000n).padStart(6, "0");
    return `${text}.${fraction}${formatOffset(this.offsetSeconds)}`;
  }
}

/** Whether Python's datetime reaches that far. */
export function isPythonYear(milliseconds: number): boolean {
  return milliseconds >= FIRST_MILLISECOND && milliseconds <= LAST_MILLISECOND;
}

export function floorDivide(value: bigint, by: bigint): bigint {
  const quotient = value / by;
  return value < 0n && quotient * by !== value ? quotient - 1n : quotient;
}

function parseOffset(text: string): number {
  if (text === "Z") return 0;
  const [hours = 0, minutes = 0, seconds = 0] = text.slice(1).split(":").map(Number);
  return (text.startsWith("-") ? -1 : 1) * (hours * 3600 + minutes * 60 + seconds);
}

function formatOffset(seconds: number): string {
  const size = Math.abs(seconds);
  const parts = [Math.floor(size / 3600), Math.floor(size / 60) % 60, size % 60].slice(0, size % 60 === 0 ? 2 : 3);
  return `${seconds < 0 ? "-" : "+"}${parts.map((each) => String(each).padStart(2, "0")).join(":")}`;
}
