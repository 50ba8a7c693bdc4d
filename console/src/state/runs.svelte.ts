// The stored detection runs, and the one that is shown: the latest, or the one in the address.
import { everyRow } from '../api/resource.svelte';
import type { Run } from '../api/rows';
import { router } from './router.svelte';

class Runs {
  all = $state.raw<Run[]>([]);

  get latest(): Run | undefined {
    return this.all.at(-1);
  }

  /** All but the latest, newest first. */
  get earlier(): Run[] {
    return this.all.slice(0, -1).reverse();
  }

  get shown(): Run | undefined {
    const id = router.get('run');
    return id ? this.all.find((run) => run.run_id === id) : this.latest;
  }

  async load(): Promise<void> {
    this.all = await everyRow<Run>('/v1/runs', new AbortController().signal, () => undefined);
  }
}

export const runs = new Runs();

/** A path of the API with the run that is shown, and other parameters; null ones are left out. */
export function ofRun(path: string, more: Record<string, string | null> = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...more, run: router.get('run') })) if (value) query.set(name, value);
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}
