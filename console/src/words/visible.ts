// Text that an attacker may have written, with everything that does not show as itself made visible.

export interface Piece {
  text: string;
  /** Code point in words when the piece stands for a character that would not be seen; null for plain text. */
  code: string | null;
}

// Control characters (except line feed and tab), bidirectional controls, zero-width, tags, variation selectors, fillers.
const HIDDEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb]|[\u{e0000}-\u{e0fff}]|[\ud800-\udfff]/gu;

/** The text in pieces: plain ones, and one for each hidden character, shown as its code point. */
export function pieces(text: string): Piece[] {
  const found: Piece[] = [];
  let at = 0;
  for (const match of text.matchAll(HIDDEN)) {
    if (match.index > at) found.push({ text: text.slice(at, match.index), code: null });
    const point = (match[0].codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
    found.push({ text: point, code: `U+${point}` });
    at = match.index + match[0].length;
  }
  if (at < text.length) found.push({ text: text.slice(at), code: null });
  return found;
}

/** The same in one string, for titles and labels: hidden characters as ⟨200B⟩. */
export function visible(text: string): string {
  return pieces(text)
    .map((piece) => (piece.code ? `⟨${piece.text}⟩` : piece.text))
    .join('');
}
