// A campaign's graph as the server lays it out: columns, and how much of how much is here.
import type { Tier } from '../api/rows';

export interface KindCount {
  token_kind: string;
  n_tokens: number;
  n_edges: number;
}

export interface NodeColumns {
  node: number[];
  kind: ('account' | 'token' | 'group')[];
  label: string[];
  group: number[];
  tier: (Tier | null)[];
  token_kind: (string | null)[];
  n_accounts: number[];
  n_exchanges: number[];
  x: number[];
  y: number[];
  size: number[];
}

export interface EdgeColumns {
  source: number[];
  target: number[];
  token_kind: string[];
  weight: number[];
}

export interface GraphAnswer {
  level: 'groups' | 'accounts';
  group: number | null;
  accounts_total: number;
  accounts_shown: number;
  tokens_total: number;
  tokens_shown: number;
  lone_tokens: number;
  groups_total: number;
  groups_shown: number;
  nodes_total: number;
  nodes_shown: number;
  edges_total: number;
  edges_shown: number;
  kinds: KindCount[];
  nodes: NodeColumns;
  edges: EdgeColumns;
}

export interface SharedToken {
  token_kind: string;
  token: string;
  n_first: number;
  n_second: number;
  n_members: number;
  n_honest: number | null;
  exclusivity: number | null;
}

/** One node, put together from its columns. */
export interface NodeRow {
  node: number;
  kind: 'account' | 'token' | 'group';
  label: string;
  group: number;
  tier: Tier | null;
  token_kind: string | null;
  n_accounts: number;
  n_exchanges: number;
}

export function rowAt(nodes: NodeColumns, index: number): NodeRow {
  return {
    node: index,
    kind: nodes.kind[index] ?? 'account',
    label: nodes.label[index] ?? '',
    group: nodes.group[index] ?? 0,
    tier: nodes.tier[index] ?? null,
    token_kind: nodes.token_kind[index] ?? null,
    n_accounts: nodes.n_accounts[index] ?? 0,
    n_exchanges: nodes.n_exchanges[index] ?? 0,
  };
}

/** More links than this are drawn only when they are asked for: without a GPU a drawing of them takes long. */
const LINKS_AT_FIRST = { groups: 1_500, accounts: 6_000 } as const;

/** The kinds that a first look draws: between groups all, of accounts those with few links, as many as fit. */
export function kindsAtFirst(answer: GraphAnswer): string[] {
  if (answer.level === 'groups') return answer.kinds.map((one) => one.token_kind);
  const ordered = [...countsByKind(answer.edges)].sort((a, b) => a[1] - b[1] || (a[0] < b[0] ? -1 : 1));
  let sum = 0;
  return ordered.filter(([, n]) => (sum += n) <= LINKS_AT_FIRST.accounts).map(([kind]) => kind);
}

/** Places of the links that are drawn: all of these kinds, but at a first look at groups only the strongest. */
export function linksDrawn(answer: GraphAnswer, kinds: ReadonlySet<string>, isFirstLook: boolean): number[] {
  const { token_kind, weight } = answer.edges;
  const places = [...token_kind.keys()].filter((at) => kinds.has(token_kind[at] ?? ''));
  if (!isFirstLook || answer.level === 'accounts' || places.length <= LINKS_AT_FIRST.groups) return places;
  return places.sort((a, b) => (weight[b] ?? 0) - (weight[a] ?? 0) || a - b).slice(0, LINKS_AT_FIRST.groups);
}

/** The kinds of links that are here, with how many: between groups fewer than the campaign has. */
export function kindsHere(answer: GraphAnswer): KindCount[] {
  if (answer.level === 'accounts') return answer.kinds;
  const counts = countsByKind(answer.edges);
  return answer.kinds.flatMap((one) => {
    const n = counts.get(one.token_kind);
    return n ? [{ ...one, n_edges: n }] : [];
  });
}

function countsByKind(edges: EdgeColumns): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of edges.token_kind) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

export interface Bounds {
  left: number;
  top: number;
  wide: number;
  tall: number;
}

/** The part of the plane that nodes take up with their radius. */
export function boundsOf(nodes: NodeColumns): Bounds {
  let [left, right, bottom, top] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const at of nodes.node.keys()) {
    const [x, y, size] = [nodes.x[at] ?? 0, nodes.y[at] ?? 0, nodes.size[at] ?? 0];
    left = Math.min(left, x - size);
    right = Math.max(right, x + size);
    bottom = Math.min(bottom, y - size);
    top = Math.max(top, y + size);
  }
  return nodes.node.length
    ? { left, top, wide: right - left, tall: top - bottom }
    : { left: 0, top: 0, wide: 1, tall: 1 };
}

export interface Point {
  x: number;
  y: number;
}

/** Whether a point lies inside a closed line, by the number of its edges to the right of the point. */
export function isInside(line: readonly Point[], { x, y }: Point): boolean {
  let isIn = false;
  let from = line.at(-1);
  for (const to of line) {
    if (from && from.y > y !== to.y > y && x < ((from.x - to.x) * (y - to.y)) / (from.y - to.y) + to.x) isIn = !isIn;
    from = to;
  }
  return isIn;
}

/** Places of the links of a node. */
export function linksOf(edges: EdgeColumns, node: number): number[] {
  return [...edges.source.keys()].filter((at) => edges.source[at] === node || edges.target[at] === node);
}

/** The nodes that a node is linked to. */
export function neighbours(edges: EdgeColumns, node: number): number[] {
  return linksOf(edges, node).map((at) => (edges.source[at] === node ? edges.target[at] : edges.source[at]) ?? 0);
}
