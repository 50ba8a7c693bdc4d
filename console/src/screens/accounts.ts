// Orders of accounts, apart from how they are drawn.
import type { SeenAccount } from '../api/rows';

/** The share of an account's exchanges that lie in a campaign; null where nothing was counted. */
export function flaggedShare(row: SeenAccount): number | null {
  return row.n_exchanges ? (row.n_flagged_exchanges ?? 0) / row.n_exchanges : null;
}

export function orderedAccounts(rows: readonly SeenAccount[], sort: string): SeenAccount[] {
  const sign = sort.startsWith('-') ? -1 : 1;
  const column = sort.replace(/^-/, '');
  const value = (row: SeenAccount): string | number =>
    column === 'share'
      ? (flaggedShare(row) ?? -1)
      : ((row[column as keyof SeenAccount] as string | number | null) ?? '');
  if (!rows[0] || (column !== 'share' && !(column in rows[0]))) return [...rows];
  return rows.toSorted((a, b) => {
    const [x, y] = [value(a), value(b)];
    return sign * (x < y ? -1 : x > y ? 1 : 0) || (a.account_id < b.account_id ? -1 : 1);
  });
}
