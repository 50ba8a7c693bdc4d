// What people concluded: the latest judgement of each campaign or account, the dialog that records one, and its undo.
import { ApiError, write } from '../api/client';
import { everyRow, refresh } from '../api/resource.svelte';
import type { Judgement, Verdict } from '../api/rows';
import { t } from '../words/messages.svelte';
import { session } from './session.svelte';
import { toasts } from './toasts.svelte';

export interface Question {
  subjects: string[];
  verdict: Verdict;
}

class Judging {
  #latest = $state.raw(new Map<string, Judgement>());
  /** What the open dialog asks; null while it is closed. */
  asked = $state.raw<Question | null>(null);

  of(subject: string): Judgement | undefined {
    return this.#latest.get(subject);
  }

  async load(): Promise<void> {
    const rows = await everyRow<Judgement>('/v1/judgements', new AbortController().signal, () => undefined);
    this.#latest = new Map(rows.map((row) => [row.subject_id, row]));
  }

  ask(subjects: string[], verdict: Verdict): void {
    if (!subjects.length) return;
    if (session.canJudge) this.asked = { subjects, verdict };
    else toasts.say(t('judge.forbidden', { role: session.who?.role ?? '' }), { kind: 'failed' });
  }

  /** Records one verdict for every subject; says how many were recorded, and offers to take them back. */
  async record(subjects: string[], verdict: Verdict, note: string): Promise<void> {
    const before = subjects.map((subject) => [subject, this.of(subject)] as const);
    const done = await this.#write(subjects.map((subject) => ({ subject_id: subject, verdict, note })));
    if (!done) return;
    toasts.say(t('judge.recorded', { n: done, verdict: t(`verdict.${verdict}`) }), {
      undo: () => void this.#undo(before.slice(0, done)),
    });
  }

  /** The record only grows: taking back is a new judgement that says what held before, or that it is unsure. */
  async #undo(before: (readonly [string, Judgement | undefined])[]): Promise<void> {
    const done = await this.#write(
      before.map(([subject, held]) => ({
        subject_id: subject,
        verdict: held?.verdict ?? 'unsure',
        note: held?.note ?? 'taken back in the console',
      })),
    );
    if (done) toasts.say(t('judge.undone', { n: done }));
  }

  async #write(bodies: { subject_id: string; verdict: Verdict; note: string }[]): Promise<number> {
    let done = 0;
    try {
      for (const body of bodies) {
        await write('/v1/judgements', body);
        done += 1;
      }
    } catch (error) {
      const said = error instanceof ApiError ? error.said : '';
      toasts.say(t('judge.failed', { done, n: bodies.length, said }), { kind: 'failed' });
    }
    await this.load().catch(() => undefined);
    refresh();
    return done;
  }
}

export const judging = new Judging();
