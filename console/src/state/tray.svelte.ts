// What was picked, on whichever screen; it stays while one looks around, and through a reload of the tab.

export type Kind = 'campaign' | 'account';
interface Picked {
  kind: Kind;
  id: string;
}

const PLACE = 'stillwatch.tray';

class Tray {
  #picked = $state<Picked[]>(read());
  #ids = $derived(new Set(this.#picked.map((one) => `${one.kind} ${one.id}`)));

  get size(): number {
    return this.#picked.length;
  }

  ids(kind: Kind): string[] {
    return this.#picked.filter((one) => one.kind === kind).map((one) => one.id);
  }

  has(kind: Kind, id: string): boolean {
    return this.#ids.has(`${kind} ${id}`);
  }

  toggle(kind: Kind, id: string): void {
    if (this.has(kind, id)) this.#set(this.#picked.filter((one) => one.kind !== kind || one.id !== id));
    else this.add(kind, [id]);
  }

  add(kind: Kind, ids: readonly string[]): void {
    this.#set([...this.#picked, ...ids.filter((id) => !this.has(kind, id)).map((id) => ({ kind, id }))]);
  }

  remove(kind: Kind, ids: readonly string[]): void {
    const gone = new Set(ids);
    this.#set(this.#picked.filter((one) => one.kind !== kind || !gone.has(one.id)));
  }

  clear(): void {
    this.#set([]);
  }

  #set(picked: Picked[]): void {
    this.#picked = picked;
    sessionStorage.setItem(PLACE, JSON.stringify(picked));
  }
}

function read(): Picked[] {
  try {
    const found: unknown = JSON.parse(sessionStorage.getItem(PLACE) ?? '[]');
    return Array.isArray(found) ? (found as Picked[]) : [];
  } catch {
    return [];
  }
}

export const tray = new Tray();
