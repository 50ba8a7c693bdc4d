// Every word of the console comes from a catalogue; the pseudo-locale shows at a glance what does not.
import { preferences } from '../state/preferences.svelte';
import { en, type Message } from './en';
import { pseudo } from './pseudo';

export type MessageId = keyof typeof en;
export type Values = Record<string, string | number>;

const catalogues: Record<string, Readonly<Record<string, Message>>> = { en };

/** The languages that can be chosen, by their tags; `en-XA` is the pseudo-locale. */
export const LANGUAGES = ['en', 'en-XA'] as const;

function catalogue(language: string): Readonly<Record<string, Message>> {
  if (language === 'en-XA') return (catalogues[language] ??= pseudo(en));
  return catalogues[language] ?? en;
}

/** The message with its values filled in; `n` chooses the plural form and is written as a number of the language. */
export function t(id: MessageId, values: Values = {}): string {
  return filled(catalogue(preferences.language)[id] ?? en[id], values);
}

/** A word of the server's vocabulary, such as a signal's name; what is unknown is shown as it came, made readable. */
export function term(group: string, name: string | null | undefined): string {
  if (!name) return '–';
  const message = catalogue(preferences.language)[`${group}.${name}`];
  return message === undefined ? name.replaceAll('_', ' ') : filled(message, {});
}

function filled(message: Message, values: Values): string {
  const text = typeof message === 'string' ? message : message[plural(Number(values.n))];
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    if (value === undefined) return whole;
    return typeof value === 'number' ? new Intl.NumberFormat(tag()).format(value) : value;
  });
}

function plural(n: number): 'one' | 'other' {
  return new Intl.PluralRules(tag()).select(n) === 'one' ? 'one' : 'other';
}

/** The language tag for numbers and times: English with the international order of dates. */
export function tag(): string {
  return 'en-GB';
}
