// Numbers and times as people read them. Times are UTC on the server and shown in the zone that was chosen.
import { preferences } from '../state/preferences.svelte';
import { tag } from './messages.svelte';

export const NONE = '–';

export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? NONE : new Intl.NumberFormat(tag()).format(value);
}

/** 68.1M and the like; the exact number belongs in a title. */
export function compact(value: number | null | undefined): string {
  if (value === null || value === undefined) return NONE;
  return new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 }).format(value);
}

export function fixed(value: number | null | undefined, digits = 2): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  return new Intl.NumberFormat(tag(), { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
}

/** With its sign, as a part of a sum. */
export function signed(value: number, digits = 2): string {
  const format = { minimumFractionDigits: digits, maximumFractionDigits: digits, signDisplay: 'exceptZero' } as const;
  return new Intl.NumberFormat(tag(), format).format(value);
}

/** A probability: two significant digits, small ones as powers of ten. */
export function probability(value: number | null | undefined): string {
  if (value === null || value === undefined) return NONE;
  if (value !== 0 && value < 1e-4) return value.toExponential(1).replace('e-', ' × 10⁻').replace(/\d+$/, raised);
  return new Intl.NumberFormat(tag(), { maximumSignificantDigits: 2 }).format(value);
}

export function percent(value: number | null | undefined, digits = 0): string {
  if (value === null || value === undefined) return NONE;
  return new Intl.NumberFormat(tag(), { style: 'percent', maximumFractionDigits: digits }).format(value);
}

export function bytes(value: number): string {
  const power = value < 1000 ? 0 : Math.min(4, Math.floor(Math.log10(value) / 3));
  const unit = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'][power] ?? 'byte';
  return new Intl.NumberFormat(tag(), { style: 'unit', unit, unitDisplay: 'short', maximumFractionDigits: 1 }).format(
    value / 1000 ** power,
  );
}

export function moment(iso: string | null | undefined, seconds = false): string {
  if (!iso) return NONE;
  return shown(iso, {
    day: 'numeric',
    month: 'short',
    year: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    ...(seconds ? { second: '2-digit' } : {}),
  });
}

export function day(iso: string | null | undefined): string {
  return iso ? shown(iso, { day: 'numeric', month: 'short', year: 'numeric' }) : NONE;
}

/** The zone's short name at that time, such as UTC or CEST. */
export function zoneName(iso?: string): string {
  const named = new Intl.DateTimeFormat(tag(), { timeZone: preferences.timeZone, timeZoneName: 'short' });
  return (
    named.formatToParts(iso ? new Date(iso) : new Date()).find((part) => part.type === 'timeZoneName')?.value ?? ''
  );
}

function shown(iso: string, options: Intl.DateTimeFormatOptions): string {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return iso;
  return new Intl.DateTimeFormat(tag(), { ...options, timeZone: preferences.timeZone }).format(at);
}

function raised(digits: string): string {
  return [...digits].map((digit) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(digit)] ?? digit).join('');
}
