// Something read from the server for a view: the last answer stays on screen while a new one is on its way or failed.
import { untrack } from 'svelte';
import { ApiError, read } from './client';
import type { Page } from './rows';

const kept = new Map<string, unknown>();
const MOST_KEPT = 60;
export const freshness = $state({ n: 0 });

/** Makes every view read again, after something was written or a new run arrived. */
export function refresh(): void {
  freshness.n += 1;
}

/** Forgets every answer, when the key changes. */
export function forget(): void {
  kept.clear();
}

export class Resource<T> {
  data = $state.raw<T | null>(null);
  error = $state.raw<ApiError | null>(null);
  isLoading = $state(false);
  /** Rows read so far, where a listing comes in pages; null where it does not. */
  soFar = $state<number | null>(null);
  #again = $state(0);

  /** `path` is read again whenever it changes; null reads nothing. Belongs to the component that makes it. */
  constructor(
    path: () => string | null,
    how: (path: string, signal: AbortSignal, tell: (n: number) => void) => Promise<T> = read<T>,
  ) {
    $effect(() => {
      const at = path();
      void this.#again;
      void freshness.n;
      if (at === null) {
        this.data = null;
        return;
      }
      const stop = new AbortController();
      untrack(() => void this.#load(at, how, stop.signal));
      return () => stop.abort();
    });
    const first = untrack(path);
    if (first !== null && kept.has(first)) this.data = kept.get(first) as T;
  }

  retry(): void {
    this.#again += 1;
  }

  async #load(
    at: string,
    how: (path: string, signal: AbortSignal, tell: (n: number) => void) => Promise<T>,
    signal: AbortSignal,
  ): Promise<void> {
    this.data = kept.has(at) ? (kept.get(at) as T) : this.data;
    this.isLoading = true;
    this.soFar = null;
    try {
      const found = await how(at, signal, (n) => (this.soFar = n));
      if (signal.aborted) return;
      keep(at, found);
      this.data = found;
      this.error = null;
    } catch (error) {
      if (signal.aborted) return;
      this.error = error instanceof ApiError ? error : new ApiError(0, String(error), at);
    } finally {
      if (!signal.aborted) this.isLoading = false;
    }
  }
}

function keep(at: string, found: unknown): void {
  kept.delete(at);
  kept.set(at, found);
  const oldest = kept.keys().next().value;
  if (kept.size > MOST_KEPT && oldest !== undefined) kept.delete(oldest);
}

/** All rows of a listing, page by page; `tell` hears how many are here. */
export async function everyRow<Row>(path: string, signal: AbortSignal, tell: (n: number) => void): Promise<Row[]> {
  const rows: Row[] = [];
  let cursor: string | null = null;
  do {
    const url = new URL(path, location.href);
    url.searchParams.set('limit', '5000');
    if (cursor) url.searchParams.set('cursor', cursor);
    const page: Page<Row> = await read<Page<Row>>(url.pathname + url.search, signal);
    rows.push(...page.rows);
    tell(rows.length);
    cursor = page.next;
  } while (cursor);
  return rows;
}
