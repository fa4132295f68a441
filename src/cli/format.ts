/** Tables, times and durations for people. */

/** Columns padded to their widest cell. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((name, column) => Math.max(name.length, ...rows.map((row) => row[column]?.length ?? 0)));
  return [head, ...rows]
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** As UTC, to the millisecond. */
export function instant(date: Date | null): string | null {
  return date === null ? null : date.toISOString().replace("T", " ").replace("Z", " UTC");
}

/** To the millisecond. */
export function seconds(count: number | null): string | null {
  return count === null ? null : `${count.toFixed(3)} s`;
}

export function duration(from: Date | null, to: Date | null): string | null {
  return from === null || to === null ? null : seconds((to.getTime() - from.getTime()) / 1000);
}
