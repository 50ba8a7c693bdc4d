// The screens in the order of the navigation, with their addresses, icons and `g` keys.
import type { MessageId } from '../words/messages.svelte';

export interface ScreenLink {
  path: string;
  title: MessageId;
  /** A shorter name for the navigation. */
  short?: MessageId;
  key: string;
  icon: string;
}

export const SECTIONS: readonly { title: MessageId; screens: readonly ScreenLink[] }[] = [
  {
    title: 'nav.watch',
    screens: [
      { path: '/', title: 'overview.title', key: 'o', icon: 'M2 13h12M3.5 10.5l3-4 2.5 2.5 3.5-5' },
      { path: '/campaigns', title: 'queue.title', key: 'c', icon: 'M2.5 4h11M2.5 8h11M2.5 12h7' },
      {
        path: '/accounts',
        title: 'accounts.title',
        key: 'a',
        icon: 'M8 8a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM3 13.5c.6-2.4 2.5-3.5 5-3.5s4.4 1.1 5 3.5',
      },
      {
        path: '/search',
        title: 'search.title',
        key: 's',
        icon: 'M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9ZM10.5 10.5 14 14',
      },
    ],
  },
  {
    title: 'nav.act',
    screens: [
      {
        path: '/response',
        title: 'response.title',
        short: 'nav.response',
        key: 'p',
        icon: 'M8 1.8 13.5 4v4c0 3-2.3 5-5.5 6.2C4.8 13 2.5 11 2.5 8V4Z',
      },
      {
        path: '/sharing',
        title: 'sharing.title',
        short: 'nav.sharing',
        key: 'e',
        icon: 'M12 5.5a2 2 0 1 0 0-4 2 2 0 0 0 0 4ZM4 10a2 2 0 1 0 0-4 2 2 0 0 0 0 4ZM12 14.5a2 2 0 1 0 0-4 2 2 0 0 0 0 4ZM5.8 7l4.4-2.4M5.8 9l4.4 2.4',
      },
    ],
  },
  {
    title: 'nav.ground',
    screens: [
      {
        path: '/provenance',
        title: 'provenance.title',
        key: 'v',
        icon: 'M8 2v3M8 5 4 9v2M8 5l4 4v2M4 11.5a1.2 1.2 0 1 0 0 2.5 1.2 1.2 0 0 0 0-2.5ZM12 11.5a1.2 1.2 0 1 0 0 2.5 1.2 1.2 0 0 0 0-2.5Z',
      },
      { path: '/health', title: 'health.title', key: 'h', icon: 'M1.5 8h3l2-5 3 10 2-5h3' },
      {
        path: '/access',
        title: 'access.title',
        key: 'k',
        icon: 'M10.5 9a3.5 3.5 0 1 0-3.3-2.3L2 12v2h2l1-1.2h1.5V11L8 9.6A3.5 3.5 0 0 0 10.5 9ZM11 5h.01',
      },
    ],
  },
];
