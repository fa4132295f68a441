/** A number of 16 digits may be beyond 2^53; one of 15 is not. */
const LONG = 16;
const INTEGER = /^-?\d+$/;

type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown;

/**
 * JSON.parse that doesn't round: an integer beyond 2^53, as only a row written by hand or a command line has it, is a bigint.
 *
 * @throws SyntaxError
 */
export function parseJson(text: string): unknown {
  // A reviver makes a parse ten times as long; hardly any text needs it.
  return hasLongInteger(text) ? JSON.parse(text, exact as Parameters<typeof JSON.parse>[1]) : JSON.parse(text);
}

const exact: Reviver = (_key, value, { source }) => {
  const isRounded = typeof value === "number" && !Number.isSafeInteger(value) && source !== undefined;
  return isRounded && INTEGER.test(source) ? BigInt(source) : value;
};

/**
 * Whether 16 digits follow on something else than a decimal point or a quote; in the middle of a string it may be wrong, which costs time only.
 * It looks at every 16th character, since no such number lies between two of them: 20 ns for 200 bytes, where a regular expression takes 150.
 */
function hasLongInteger(text: string): boolean {
  for (let at = LONG - 1; at < text.length; at += LONG) {
    if (!isDigit(text, at)) continue;
    let begin = at;
    while (begin > 0 && isDigit(text, begin - 1)) begin -= 1;
    while (isDigit(text, at)) at += 1;
    if (at - begin >= LONG && !'."'.includes(text.charAt(begin - 1) || " ")) return true;
  }
  return false;
}

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 0x30 && code <= 0x39;
}
