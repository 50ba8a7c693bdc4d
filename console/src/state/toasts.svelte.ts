// Short messages at the edge of the screen, read out by screen readers; some can be taken back.

export interface Toast {
  id: number;
  text: string;
  kind: 'said' | 'failed';
  undo?: (() => void) | undefined;
}

const SECONDS = 12;

class Toasts {
  shown = $state<Toast[]>([]);
  #n = 0;

  say(text: string, more: { kind?: Toast['kind']; undo?: () => void } = {}): void {
    const id = ++this.#n;
    this.shown.push({ id, text, kind: more.kind ?? 'said', undo: more.undo });
    if (this.shown.length > 3) this.shown.shift();
    setTimeout(() => this.close(id), SECONDS * 1000);
  }

  close(id: number): void {
    this.shown = this.shown.filter((toast) => toast.id !== id);
  }

  /** Takes back the latest of what can be taken back. */
  undo(): void {
    const toast = this.shown.findLast((one) => one.undo);
    if (!toast) return;
    this.close(toast.id);
    toast.undo?.();
  }
}

export const toasts = new Toasts();
