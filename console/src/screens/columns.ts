// The columns of the plain listings.
import type { Column } from '../components/RecordTable.svelte';
import { href } from '../state/router.svelte';

const account = (row: Record<string, unknown>): string | null =>
  typeof row.account_id === 'string' ? href(`/accounts/${encodeURIComponent(row.account_id)}`) : null;
const campaign = (row: Record<string, unknown>): string | null =>
  typeof row.campaign_id === 'string' ? href(`/campaigns/${encodeURIComponent(row.campaign_id)}`) : null;

export const DECISION_COLUMNS: readonly Column[] = [
  { name: 'decided_at', label: 'column.at', kind: 'moment' },
  { name: 'account_id', label: 'column.account', link: account },
  { name: 'campaign_id', label: 'column.campaign', link: campaign },
  { name: 'action', label: 'column.action', kind: 'term', group: 'action' },
  { name: 'mode', label: 'column.mode', kind: 'term', group: 'mode' },
  { name: 'status', label: 'column.status', kind: 'term', group: 'status' },
  { name: 'rule', label: 'column.rule', kind: 'code' },
  { name: 'expires_at', label: 'column.expires', kind: 'moment' },
  { name: 'approved_by', label: 'column.by' },
];

export const HOLDER_COLUMNS: readonly Column[] = [
  { name: 'account_id', label: 'column.account', link: account },
  { name: 'tier', label: 'column.tier', kind: 'tier' },
  { name: 'campaign_id', label: 'column.campaign', link: campaign },
  { name: 'n', label: 'column.exchanges', kind: 'count' },
  { name: 'first_seen_at', label: 'column.first_seen', kind: 'moment' },
  { name: 'last_seen_at', label: 'column.last_seen', kind: 'moment' },
];

export const DISCLOSURE_COLUMNS: readonly Column[] = [
  { name: 'at', label: 'column.at', kind: 'moment' },
  { name: 'direction', label: 'column.direction', kind: 'term', group: 'direction' },
  { name: 'peer', label: 'column.peer' },
  { name: 'channel', label: 'column.channel', kind: 'code' },
  { name: 'asked_profile', label: 'column.asked', kind: 'code' },
  { name: 'profile', label: 'column.profile', kind: 'code' },
  { name: 'basis', label: 'column.basis', kind: 'code' },
  { name: 'n_offered', label: 'column.offered', kind: 'count' },
  { name: 'n_passed', label: 'column.passed', kind: 'count' },
  { name: 'approver', label: 'column.by' },
];

export const SIGHTED_COLUMNS: readonly Column[] = [
  { name: 'peer', label: 'column.peer' },
  { name: 'kind', label: 'column.kind', kind: 'term', group: 'kind' },
  { name: 'value', label: 'column.value', kind: 'code' },
  { name: 'n_accounts', label: 'column.accounts', kind: 'count' },
  { name: 'n_exchanges', label: 'column.exchanges', kind: 'count' },
];

export const INDICATOR_COLUMNS: readonly Column[] = [
  { name: 'peer', label: 'column.peer' },
  { name: 'kind', label: 'column.kind', kind: 'term', group: 'kind' },
  { name: 'value', label: 'column.value', kind: 'code' },
  { name: 'confidence', label: 'column.confidence', kind: 'count' },
  { name: 'valid_from', label: 'column.from', kind: 'moment' },
  { name: 'valid_until', label: 'column.until', kind: 'moment' },
  { name: 'modified', label: 'column.modified', kind: 'moment' },
];

export const VERDICT_COLUMNS: readonly Column[] = [
  { name: 'reached_at', label: 'column.at', kind: 'moment' },
  { name: 'suspect', label: 'column.suspect' },
  { name: 'verdict', label: 'column.verdict', kind: 'term', group: 'provenance' },
  { name: 'e_value', label: 'column.e_value', kind: 'number' },
  { name: 'tests', label: 'column.tests', kind: 'words', group: 'test', isFixed: true },
  { name: 'reasons', label: 'column.unanswered', kind: 'words', group: 'test', isFixed: true },
  { name: 'registration', label: 'column.registered', kind: 'code' },
  { name: 'ledger_digest', label: 'column.sealed', kind: 'code' },
];

export const HIT_COLUMNS: readonly Column[] = [
  { name: 'found_at', label: 'column.at', kind: 'moment' },
  { name: 'account_id', label: 'column.account', link: account },
  { name: 'cause', label: 'column.cause', kind: 'term', group: 'cause' },
  { name: 'level', label: 'column.level', kind: 'term', group: 'level' },
  { name: 'object_name', label: 'column.about' },
  { name: 'score', label: 'column.score', kind: 'number' },
];

export const BATCH_COLUMNS: readonly Column[] = [
  { name: 'finished_at', label: 'column.at', kind: 'moment' },
  { name: 'source', label: 'column.source', kind: 'code' },
  { name: 'uri', label: 'column.uri', kind: 'code' },
  { name: 'records_in', label: 'column.records', kind: 'count' },
  { name: 'rows_out', label: 'column.rows', kind: 'count' },
  { name: 'duplicates', label: 'column.duplicates', kind: 'count' },
  { name: 'rejected', label: 'column.rejected', kind: 'count' },
];

export const SOURCE_COLUMNS: readonly Column[] = [
  { name: 'source', label: 'column.source', kind: 'code' },
  { name: 'n_batches', label: 'column.batches', kind: 'count' },
  { name: 'records_in', label: 'column.records', kind: 'count' },
  { name: 'rows_out', label: 'column.rows', kind: 'count' },
  { name: 'duplicates', label: 'column.duplicates', kind: 'count' },
  { name: 'rejected', label: 'column.rejected', kind: 'count' },
  { name: 'last_batch_at', label: 'column.last_batch', kind: 'moment' },
  { name: 'last_exchange_at', label: 'column.latest', kind: 'moment' },
];

export const REASON_COLUMNS: readonly Column[] = [
  { name: 'source', label: 'column.source', kind: 'code' },
  { name: 'reason', label: 'column.reason', kind: 'code' },
  { name: 'n', label: 'column.records', kind: 'count' },
  { name: 'last_batch_id', label: 'column.last_batch', kind: 'code' },
];

export const PULSE_COLUMNS: readonly Column[] = [
  { name: 'day', label: 'chart.day', kind: 'day' },
  { name: 'n_accounts', label: 'column.accounts', kind: 'count' },
  { name: 'p_value', label: 'waterfall.p', kind: 'probability' },
  { name: 'is_unusual', label: 'column.unusual', kind: 'flag' },
  { name: 'moved_most', label: 'column.moved', kind: 'term', group: 'moved' },
];

export const DELIVERY_COLUMNS: readonly Column[] = [
  { name: 'endpoint', label: 'column.endpoint' },
  { name: 'event_id', label: 'column.event', kind: 'code' },
  { name: 'status', label: 'column.status', kind: 'term', group: 'status' },
];

export const APPEAL_COLUMNS: readonly Column[] = [
  {
    name: 'account_id',
    label: 'column.account',
    link: (row) => href('/response', { tab: 'appeals', account: String(row.account_id) }),
  },
  { name: 'status', label: 'column.status', kind: 'term', group: 'appeal' },
  { name: 'asked_at', label: 'column.asked_at', kind: 'moment' },
  { name: 'n_standing', label: 'column.standing', kind: 'count' },
  { name: 'action', label: 'column.action', kind: 'term', group: 'action' },
  { name: 'settled_at', label: 'column.settled', kind: 'moment' },
  { name: 'note', label: 'column.note' },
];

export const DOSSIER_COLUMNS: readonly Column[] = [
  { name: 'at', label: 'column.at', kind: 'moment' },
  { name: 'campaign_id', label: 'column.campaign', link: campaign },
  { name: 'audience', label: 'column.audience', kind: 'term', group: 'audience' },
  { name: 'dossier_id', label: 'column.dossier', kind: 'code' },
  { name: 'content_digest', label: 'column.digest', kind: 'code' },
  { name: 'entry', label: 'column.entry', kind: 'count' },
];

export const AUDIT_COLUMNS: readonly Column[] = [
  { name: 'at', label: 'column.at', kind: 'moment', isFixed: true },
  { name: 'key_id', label: 'column.key', kind: 'code', isFixed: true },
  { name: 'role', label: 'column.role', kind: 'code', isFixed: true },
  { name: 'method', label: 'column.call', kind: 'code', isFixed: true },
  { name: 'route', label: 'column.route', kind: 'code', isFixed: true },
  { name: 'status', label: 'column.answer', kind: 'code', isFixed: true },
  { name: 'subject', label: 'column.subject', isFixed: true },
  { name: 'n', label: 'column.calls', kind: 'count', isFixed: true },
];
