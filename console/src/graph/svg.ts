// The whole graph as an SVG picture, with what is drawn of how much written under it.
import { visible } from '../words/visible';
import { boundsOf, type GraphAnswer } from './data';
import { colourOf, type Palette } from './palette';

const WIDE = 1600;
const EDGE = 24;

export function asSvg(answer: GraphAnswer, links: readonly number[], colours: Palette, caption: string): string {
  const { nodes, edges } = answer;
  const frame = boundsOf(nodes);
  const scale = (WIDE - 2 * EDGE) / Math.max(frame.wide, frame.tall, 1e-9);
  const tall = frame.tall * scale + 2 * EDGE;
  const x = (at: number): string => (EDGE + ((nodes.x[at] ?? 0) - frame.left) * scale).toFixed(1);
  const y = (at: number): string => (EDGE + (frame.top - (nodes.y[at] ?? 0)) * scale).toFixed(1);
  const lines = links.map((at) => {
    const [from, to] = [edges.source[at] ?? 0, edges.target[at] ?? 0];
    return `M${x(from)} ${y(from)}L${x(to)} ${y(to)}`;
  });
  const dots = nodes.node.map((at) => {
    const kind = nodes.kind[at] ?? 'account';
    const radius = kind === 'group' ? (nodes.size[at] ?? 1) * scale * 0.8 : kind === 'token' ? 3 : 1.4;
    const colour = colourOf(kind, nodes.tier[at] ?? null, colours);
    return `<circle cx="${x(at)}" cy="${y(at)}" r="${radius.toFixed(1)}" fill="${colour}"><title>${inert(nodes.label[at] ?? '')}</title></circle>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDE} ${(tall + 30).toFixed(0)}" role="img">`,
    `<title>${inert(caption)}</title>`,
    `<rect width="100%" height="100%" fill="${colours.surface}"/>`,
    `<path d="${lines.join('')}" fill="none" stroke="${colours.edge}" stroke-width="0.4"/>`,
    ...dots,
    `<text x="${EDGE}" y="${(tall + 14).toFixed(0)}" fill="${colours.ink}" font-family="sans-serif" font-size="14">${inert(caption)}</text>`,
    '</svg>',
  ].join('\n');
}

/** Text for XML: what cannot be seen is spelled out first, so that no character of it is forbidden. */
function inert(text: string): string {
  return visible(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
