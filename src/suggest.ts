import { distance } from "fastest-levenshtein";

/** ` Did you mean "x"?` when one of `known` is near to `word`, else an empty string. */
export function didYouMean(word: string, known: readonly string[]): string {
  const ranked = known.map((each) => ({ each, off: distance(word.toLowerCase(), each.toLowerCase()) }));
  const [nearest] = ranked.sort((one, other) => one.off - other.off);
  return nearest !== undefined && nearest.off <= Math.max(2, Math.floor(word.length / 3))
    ? ` Did you mean ${JSON.stringify(nearest.each)}?`
    : "";
}
