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

/** More links than this are drawn only when they are asked for: a drawing of them takes seconds without a GPU. */
const EDGES_AT_FIRST = 60_000;

/** The kinds whose links are drawn at first, those with fewest links first; at least one. */
export function kindsAtFirst(edges: EdgeColumns): string[] {
  const counts = new Map<string, number>();
  for (const kind of edges.token_kind) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const ordered = [...counts].sort((a, b) => a[1] - b[1] || (a[0] < b[0] ? -1 : 1));
  let sum = 0;
  return ordered.filter(([, n], place) => (sum += n) <= EDGES_AT_FIRST || place === 0).map(([kind]) => kind);
}

/** Places of the nodes that a node is linked to, by links of the given kinds. */
export function neighbours(edges: EdgeColumns, node: number, kinds: ReadonlySet<string>): number[] {
  const found: number[] = [];
  for (let at = 0; at < edges.source.length; at++) {
    if (!kinds.has(edges.token_kind[at] ?? '')) continue;
    if (edges.source[at] === node) found.push(edges.target[at] ?? 0);
    else if (edges.target[at] === node) found.push(edges.source[at] ?? 0);
  }
  return found;
}
