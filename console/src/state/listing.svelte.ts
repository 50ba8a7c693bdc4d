// A listing of any length, read in pages by place as it is scrolled into; every page comes from one detection run.
import { untrack } from 'svelte';
import { ApiError, call } from '../api/client';
import { parsed } from '../api/client';
import { freshness } from '../api/resource.svelte';

const PAGE = 200;
const PAUSE_MS = 60;

interface PlacedPage<Row> {
  rows: Row[];
  total: number;
  at: number;
}

export class Listing<Row> {
  /** How many rows there are in all; null before the first page is here. */
  total = $state<number | null>(null);
  error = $state.raw<ApiError | null>(null);
  /** Counts arrivals, so that what is drawn from `row` is drawn again. */
  version = $state(0);
  #path: () => string;
  #pages = new Map<number, Row[]>();
  #asked = new Set<number>();
  #run: string | null = null;
  #stop = new AbortController();
  #timer = 0;

  /** `path` is a listing of the API with its filters and order. Belongs to the component that makes it. */
  constructor(path: () => string) {
    this.#path = path;
    $effect(() => {
      void path();
      void freshness.n;
      untrack(() => this.retry());
      return () => this.#stop.abort();
    });
  }

  row(index: number): Row | undefined {
    void this.version;
    return this.#pages.get(Math.floor(index / PAGE))?.[index % PAGE];
  }

  /** The place of the first loaded row that a test holds for; -1 without one. */
  find(test: (row: Row) => boolean): number {
    void this.version;
    for (const [page, rows] of this.#pages) {
      const found = rows.findIndex(test);
      if (found >= 0) return page * PAGE + found;
    }
    return -1;
  }

  retry(): void {
    this.#stop.abort();
    this.#stop = new AbortController();
    this.#pages.clear();
    this.#asked.clear();
    this.#run = null;
    this.error = null;
    this.total = null;
    void this.#load(0, this.#stop.signal);
  }

  /** Reads what is in sight, once scrolling rests: pages that are only passed are never asked for. */
  need(first: number, last: number): void {
    clearTimeout(this.#timer);
    const pages = [...new Set([Math.floor(first / PAGE), Math.floor(Math.max(first, last - 1) / PAGE)])];
    const missing = pages.filter((page) => !this.#asked.has(page));
    if (!missing.length || this.total === null) return;
    this.#timer = window.setTimeout(
      () => missing.forEach((page) => void this.#load(page, this.#stop.signal)),
      PAUSE_MS,
    );
  }

  async #load(page: number, signal: AbortSignal): Promise<void> {
    if (this.#asked.has(page)) return;
    this.#asked.add(page);
    const url = new URL(this.#path(), location.href);
    url.searchParams.set('limit', String(PAGE));
    url.searchParams.set('at', String(page * PAGE));
    if (this.#run) url.searchParams.set('run', this.#run);
    try {
      const answer = await call('GET', url.pathname + url.search, undefined, signal);
      const found = (await parsed(answer, url.pathname)) as PlacedPage<Row>;
      if (signal.aborted) return;
      this.#run ??= answer.headers.get('x-stillwatch-run');
      this.#pages.set(page, found.rows);
      this.total = found.total;
      this.error = null;
      this.version += 1;
    } catch (error) {
      this.#asked.delete(page);
      if (!signal.aborted)
        this.error = error instanceof ApiError ? error : new ApiError(0, String(error), url.pathname);
    }
  }
}
