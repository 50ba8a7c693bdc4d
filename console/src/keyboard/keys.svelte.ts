// The keyboard map. A screen says what its keys do while it is shown; the frame's own keys are below all of them.
import { onDestroy } from 'svelte';
import { preferences } from '../state/preferences.svelte';
import type { MessageId } from '../words/messages.svelte';

export interface Shortcut {
  /** As in KeyboardEvent.key, with `Ctrl+` before it, or two keys after each other: `g c`. */
  keys: string;
  says: MessageId;
  act: () => void;
}

const layers: { list: (() => readonly Shortcut[])[] } = { list: [] };
let first = '';
let firstAt = 0;
const SEQUENCE_MS = 1200;

/** Adds shortcuts while the calling component lives. */
export function useKeys(shortcuts: () => readonly Shortcut[]): void {
  // A screen is made after its frame, so that its layer lies above; effects would run the other way round.
  layers.list.push(shortcuts);
  onDestroy(() => layers.list.splice(layers.list.indexOf(shortcuts), 1));
}

/** Every shortcut that works now, the innermost first, each key once. */
export function shortcutsNow(): Shortcut[] {
  const seen = new Set<string>();
  return layers.list
    .toReversed()
    .flatMap((layer) => layer())
    .filter((one) => !seen.has(one.keys) && seen.add(one.keys));
}

export function onKey(event: KeyboardEvent): void {
  const pressed = (event.ctrlKey || event.metaKey ? 'Ctrl+' : '') + (event.key.length === 1 ? event.key : event.key);
  const isChord = pressed.startsWith('Ctrl+');
  if (event.altKey || event.isComposing || isTaken(event, isChord)) return;
  if (!isChord && !preferences.shortcuts && event.key.length === 1) return;
  const known = shortcutsNow();
  const sequence = Date.now() - firstAt < SEQUENCE_MS ? `${first} ${pressed}` : '';
  const found = known.find((one) => one.keys === sequence) ?? known.find((one) => one.keys === pressed);
  first = found ? '' : pressed;
  firstAt = Date.now();
  if (!found) return;
  event.preventDefault();
  found.act();
}

/** Whether the key belongs to what has the focus: a field that is typed into, an open dialog, a button on Enter. */
function isTaken(event: KeyboardEvent, isChord: boolean): boolean {
  const target = event.target as HTMLElement | null;
  if (document.querySelector('dialog[open]')) return true;
  if (isChord || !target) return false;
  if (target.closest('input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]')) return true;
  return (event.key === 'Enter' || event.key === ' ') && target.closest('a, button, summary, input') !== null;
}
