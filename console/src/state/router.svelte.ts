// The address bar is the state of a view: path, filters, sort, tab and selection. Nothing of it lives elsewhere.
import { tick } from 'svelte';

export const BASE = '/console';

type Query = Record<string, string | null | undefined>;
interface Place {
  scroll: number;
}

class Router {
  path = $state('/');
  query = $state.raw(new URLSearchParams());

  constructor() {
    this.#read();
    history.scrollRestoration = 'manual';
    addEventListener('popstate', () => {
      this.#read();
      void restoreScroll((history.state as Place | null)?.scroll ?? 0);
    });
    addEventListener('scroll', debounced(rememberScroll, 120), { passive: true });
    document.addEventListener('click', (event) => this.#follow(event));
  }

  get(name: string): string | null {
    return this.query.get(name);
  }

  /** Goes to another view, at its top. */
  go(to: string): void {
    rememberScroll();
    history.pushState({ scroll: 0 } satisfies Place, '', BASE + to);
    this.#read();
    scrollTo(0, 0);
    void tick().then(() => document.getElementById('main')?.focus({ preventScroll: true }));
  }

  /** Changes the query of this view; a filter is a step of its own for the back button, a moving cursor is not. */
  set(changes: Query, step: 'push' | 'replace' = 'replace'): void {
    const to = href(this.path, { ...Object.fromEntries(this.query), ...changes });
    if (to === location.pathname + location.search) return;
    if (step === 'push') {
      rememberScroll();
      history.pushState({ scroll: scrollY } satisfies Place, '', to);
    } else {
      history.replaceState({ scroll: scrollY } satisfies Place, '', to);
    }
    this.#read();
  }

  #read(): void {
    this.path = location.pathname.startsWith(BASE) ? location.pathname.slice(BASE.length) || '/' : '/';
    this.query = new URLSearchParams(location.search);
  }

  #follow(event: MouseEvent): void {
    if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)
      return;
    const anchor = (event.target as Element | null)?.closest?.('a');
    if (!anchor || anchor.target || anchor.hasAttribute('download')) return;
    const url = new URL(anchor.href, location.href);
    if (url.origin !== location.origin || !url.pathname.startsWith(`${BASE}/`) || url.hash) return;
    event.preventDefault();
    this.go(url.pathname.slice(BASE.length) + url.search);
  }
}

/** An address of the console; what is empty is left out, so that equal views have equal addresses. */
export function href(path: string, query: Query = {}): string {
  const kept = Object.entries(query).filter((pair): pair is [string, string] => Boolean(pair[1]));
  const text = new URLSearchParams(kept.sort(([a], [b]) => (a < b ? -1 : 1))).toString();
  return BASE + path + (text ? `?${text}` : '');
}

/** The decoded parts of a path. */
export function parts(path: string): string[] {
  return path.split('/').filter(Boolean).map(decoded);
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function rememberScroll(): void {
  history.replaceState({ scroll: scrollY } satisfies Place, '');
}

/** Scrolls back as soon as the rows that reach down to there are drawn. */
async function restoreScroll(to: number): Promise<void> {
  for (let attempt = 0; attempt < 40; attempt++) {
    await tick();
    scrollTo(0, to);
    if (Math.abs(scrollY - to) < 2) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

function debounced(act: () => void, ms: number): () => void {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = window.setTimeout(act, ms);
  };
}

export const router = new Router();
