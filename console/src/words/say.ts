// Sentences about the server's vocabulary, where the catalogue has one.
import { t, type MessageId } from './messages.svelte';
import { en } from './en';

export function say(id: string): string | null {
  return id in en ? t(id as MessageId) : null;
}
