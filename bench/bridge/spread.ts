/** Of several measurements of the same thing. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (index: number) => sorted[index] ?? Number.NaN;
  return { median: at(Math.floor(sorted.length / 2)), min: at(0), max: at(sorted.length - 1) };
}

/** Median of the ratios of each round: what disturbs one round disturbs both. */
export function ratio(of: readonly number[], to: readonly number[]): number {
  return spread(of.map((value, round) => value / (to[round] ?? Number.NaN))).median;
}

export function show({ median, min, max }: Spread): string {
  const text = (value: number) => Math.round(value).toLocaleString("en");
  return `${text(median)} (${text(min)} to ${text(max)})`;
}
