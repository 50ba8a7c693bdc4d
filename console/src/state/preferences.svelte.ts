// What a person likes, kept in this browser: theme, time zone, language, shortcuts, saved views.

export type Theme = 'system' | 'light' | 'dark';
export interface SavedView {
  name: string;
  path: string;
}

interface Kept {
  theme: Theme;
  zone: string;
  language: string;
  shortcuts: boolean;
  views: SavedView[];
}

const PLACE = 'stillwatch.preferences';
const FIRST: Kept = { theme: 'system', zone: 'UTC', language: 'en', shortcuts: true, views: [] };

class Preferences {
  #kept = $state<Kept>(read());

  get theme(): Theme {
    return this.#kept.theme;
  }
  get language(): string {
    return this.#kept.language;
  }
  get shortcuts(): boolean {
    return this.#kept.shortcuts;
  }
  get views(): readonly SavedView[] {
    return this.#kept.views;
  }
  /** The chosen time zone by its IANA name, or `local`. */
  get zone(): string {
    return this.#kept.zone;
  }
  /** The IANA name that times are shown in. */
  get timeZone(): string {
    return this.zone === 'local' ? localZone() : this.zone;
  }

  change(changes: Partial<Kept>): void {
    Object.assign(this.#kept, changes);
    localStorage.setItem(PLACE, JSON.stringify(this.#kept));
    applyTheme(this.theme);
  }
}

export function localZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** A theme of `system` follows the computer; the others override it. */
export function applyTheme(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

function read(): Kept {
  try {
    const found = JSON.parse(localStorage.getItem(PLACE) ?? '{}') as Partial<Kept>;
    return { ...FIRST, ...found, views: Array.isArray(found.views) ? found.views : [] };
  } catch {
    return { ...FIRST };
  }
}

export const preferences = new Preferences();
