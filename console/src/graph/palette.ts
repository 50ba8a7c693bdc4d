// The colours of the theme as WebGL and SVG need them, and one colour for each kind of token.

export interface Palette {
  accuse: string;
  review: string;
  none: string;
  token: string;
  group: string;
  edge: string;
  ink: string;
  surface: string;
  picked: string;
}

/** Reads the theme's colours as they are computed now: light or dark. */
export function palette(within: HTMLElement): Palette {
  const probe = document.createElement('span');
  within.append(probe);
  const read = (name: string): string => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const found = {
    accuse: read('--accuse'),
    review: read('--review'),
    none: read('--ink-3'),
    token: read('--info'),
    group: read('--accent'),
    edge: read('--line'),
    ink: read('--ink'),
    surface: read('--surface'),
    picked: read('--accent-strong'),
  };
  probe.remove();
  return found;
}

export function colourOf(kind: string, tier: string | null, colours: Palette): string {
  if (kind === 'token') return colours.token;
  if (kind === 'group') return colours.group;
  return tier === 'accuse' ? colours.accuse : tier === 'review' ? colours.review : colours.none;
}
