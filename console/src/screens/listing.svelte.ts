// A listing that is read page by page as it is scrolled into.
import { untrack } from 'svelte';
import { ApiError, read } from '../api/client';
import type { Page } from '../api/rows';

const PAGE = 500;

export class Listing<Row> {
  rows = $state.raw<Row[]>([]);
  error = $state.raw<ApiError | null>(null);
  isLoading = $state(false);
  #path: () => string;
  #next = $state.raw<string | null>(null);
  #stop = new AbortController();

  constructor(path: () => string) {
    this.#path = path;
    $effect(() => {
      void path();
      untrack(() => this.retry());
      return () => this.#stop.abort();
    });
  }

  /** Rows that are here, and a few more to be scrolled into while there is a next page. */
  get total(): number {
    return this.rows.length + (this.#next === null ? 0 : 20);
  }
  get isWhole(): boolean {
    return this.#next === null && !this.isLoading;
  }

  retry(): void {
    this.#stop.abort();
    this.#stop = new AbortController();
    this.rows = [];
    this.#next = null;
    void this.#more(this.#stop.signal);
  }

  /** Reads on when rows up to `last` are in sight. */
  need(last: number): void {
    if (last >= this.rows.length && this.#next !== null && !this.isLoading) void this.#more(this.#stop.signal);
  }

  async #more(signal: AbortSignal): Promise<void> {
    this.isLoading = true;
    const url = new URL(this.#path(), location.href);
    url.searchParams.set('limit', String(PAGE));
    if (this.#next) url.searchParams.set('cursor', this.#next);
    try {
      const page = await read<Page<Row>>(url.pathname + url.search, signal);
      if (signal.aborted) return;
      this.rows = [...this.rows, ...page.rows];
      this.#next = page.next;
      this.error = null;
    } catch (error) {
      if (!signal.aborted)
        this.error = error instanceof ApiError ? error : new ApiError(0, String(error), url.pathname);
    } finally {
      if (!signal.aborted) this.isLoading = false;
    }
  }
}
