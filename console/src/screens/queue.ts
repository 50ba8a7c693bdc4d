// The queue's filters and orders, apart from how they are drawn.
import type { Campaign } from '../api/rows';
import { judging } from '../state/judging.svelte';
import type { MessageId } from '../words/messages.svelte';

export interface Filters {
  tier: string | null;
  judged: string | null;
  capability: string | null;
  text: string | null;
}
type FacetName = 'tier' | 'judged' | 'capability';
interface Facet {
  name: FacetName;
  label: MessageId;
  words: string;
  choices: (rows: readonly Campaign[]) => { value: string; n: number }[];
}

const VALUES: Record<FacetName, (row: Campaign) => readonly string[]> = {
  tier: (row) => [row.tier],
  judged: (row) => [judging.of(row.campaign_id)?.verdict ?? 'open'],
  capability: (row) => row.capabilities,
};

export const FACETS: readonly Facet[] = [
  { name: 'tier', label: 'column.tier', words: 'tier', choices: counted('tier') },
  { name: 'judged', label: 'column.judged', words: 'verdict', choices: counted('judged') },
  { name: 'capability', label: 'column.targets', words: 'capability', choices: counted('capability') },
];

function counted(name: FacetName): Facet['choices'] {
  return (rows) => {
    const n = new Map<string, number>();
    for (const row of rows) for (const value of VALUES[name](row)) n.set(value, (n.get(value) ?? 0) + 1);
    return [...n]
      .map(([value, times]) => ({ value, n: times }))
      .sort((a, b) => b.n - a.n || (a.value < b.value ? -1 : 1));
  };
}

export function matching(rows: readonly Campaign[], filters: Filters): Campaign[] {
  const text = filters.text?.toLowerCase();
  return rows.filter(
    (row) =>
      (['tier', 'judged', 'capability'] as const).every((name) => {
        const wanted = filters[name];
        return !wanted || VALUES[name](row).includes(wanted);
      }) &&
      (!text ||
        `${row.campaign_id} ${row.nearest_lookalike ?? ''} ${row.token_kinds.join(' ')}`.toLowerCase().includes(text)),
  );
}

/** Sorted by a column, `-` before it for the largest first; without one in the server's order: accused first, best score first. */
export function ordered(rows: readonly Campaign[], sort: string): Campaign[] {
  const sign = sort.startsWith('-') ? -1 : 1;
  const column = sort.replace(/^-/, '') as keyof Campaign;
  if (!rows[0] || !(column in rows[0])) return [...rows];
  return rows.toSorted((a, b) => {
    const [x, y] = [a[column] ?? 0, b[column] ?? 0];
    return sign * (x < y ? -1 : x > y ? 1 : 0) || (a.campaign_id < b.campaign_id ? -1 : 1);
  });
}

let order: string[] = [];

/** Keeps the order of the queue, so that a campaign's page knows what comes before and after it. */
export function remember(ids: string[]): void {
  order = ids;
}

export function neighbour(id: string, step: 1 | -1): string | undefined {
  const at = order.indexOf(id);
  return at < 0 ? undefined : order[at + step];
}
