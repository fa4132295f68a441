import { closest, distance } from "fastest-levenshtein";

/** ` Did you mean "x"?` when one of `known` is near to `word`, else an empty string. */
export function didYouMean(word: string, known: readonly string[]): string {
  if (known.length === 0) return "";
  const nearest = closest(word, known);
  return distance(word.toLowerCase(), nearest.toLowerCase()) <= Math.max(2, Math.floor(word.length / 3))
    ? ` Did you mean ${JSON.stringify(nearest)}?`
    : "";
}
