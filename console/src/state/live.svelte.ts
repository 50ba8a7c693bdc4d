// What the server tells as it happens. EventSource cannot show a key, so the stream is read by hand.
import { call, read } from '../api/client';
import { refresh } from '../api/resource.svelte';
import type { KillSwitch } from '../api/rows';
import { t } from '../words/messages.svelte';
import { runs } from './runs.svelte';
import { toasts } from './toasts.svelte';

const WAIT_MS = 5000;

class Live {
  isOpen = $state(false);
  kill = $state.raw<KillSwitch | null>(null);
  #last = '';

  /** Listens until the signal ends it, and comes back after a pause where the stream breaks. */
  async listen(signal: AbortSignal): Promise<void> {
    await this.#look();
    while (!signal.aborted) {
      try {
        const headers: Record<string, string> = this.#last ? { 'last-event-id': this.#last } : {};
        const answer = await call('GET', '/v1/events', undefined, signal, { accept: 'text/event-stream', ...headers });
        this.isOpen = true;
        await this.#read(answer);
      } catch {
        // Away for now: the mark in the bar says so, and the next attempt follows.
      }
      this.isOpen = false;
      await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
    }
  }

  async #read(answer: Response): Promise<void> {
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    let held = '';
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
      const events = (held + part.value).split('\n\n');
      held = events.pop() ?? '';
      for (const event of events) await this.#heard(event);
    }
  }

  async #heard(event: string): Promise<void> {
    const field = (name: string): string => new RegExp(`^${name}: (.*)$`, 'm').exec(event)?.[1] ?? '';
    this.#last = field('id') || this.#last;
    const kind = field('event');
    if (kind === 'run') {
      await runs.load();
      toasts.say(t('live.run'));
    }
    if (kind === 'decisions') await this.#look();
    if (kind) refresh();
  }

  async #look(): Promise<void> {
    this.kill = await read<KillSwitch>('/v1/kill').catch(() => null);
  }
}

export const live = new Live();
