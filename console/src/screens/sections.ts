// The screens in the order of the navigation, with their addresses, icons and `g` keys.
import type { MessageId } from '../words/messages.svelte';

export interface ScreenLink {
  path: string;
  title: MessageId;
  key: string;
  icon: string;
}

export const SECTIONS: readonly { title: MessageId; screens: readonly ScreenLink[] }[] = [
  {
    title: 'nav.watch',
    screens: [
      { path: '/', title: 'overview.title', key: 'o', icon: 'M2 13h12M3.500 10.500l3-4 2.500 2.500 3.500-5' },
      { path: '/campaigns', title: 'queue.title', key: 'c', icon: 'M2.500 4h11M2.500 8h11M2.500 12h7' },
      {
        path: '/accounts',
        title: 'accounts.title',
        key: 'a',
        icon: 'M8 8a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5ZM3 13.500c.600-2.400 2.500-3.500 5-3.500s4.400 1.100 5 3.500',
      },
    ],
  },
];
