// The pseudo-locale: readable, a third longer, and marked at both ends, so that cut or untranslated text is seen.
import type { Message } from './en';

const ACCENTS: Record<string, string> = {
  a: 'á', c: 'ç', d: 'ď', e: 'é', g: 'ğ', i: 'í', l: 'ĺ', n: 'ñ', o: 'ö', r: 'ř', s: 'š', t: 'ť', u: 'ü', y: 'ý', z: 'ž',
  A: 'Á', C: 'Ç', D: 'Ď', E: 'É', G: 'Ğ', I: 'Í', L: 'Ĺ', N: 'Ñ', O: 'Ö', R: 'Ř', S: 'Š', T: 'Ť', U: 'Ü', Y: 'Ý', Z: 'Ž',
}; // prettier-ignore

export function pseudo(catalogue: Readonly<Record<string, Message>>): Record<string, Message> {
  return Object.fromEntries(
    Object.entries(catalogue).map(([id, message]) => [
      id,
      typeof message === 'string' ? marked(message) : { one: marked(message.one), other: marked(message.other) },
    ]),
  );
}

function marked(text: string): string {
  const accented = text.replace(/\{\w+\}|./gsu, (one) => (one.length > 1 ? one : (ACCENTS[one] ?? one)));
  return `⟦${accented}${'·'.repeat(Math.ceil(text.length / 3))}⟧`;
}
