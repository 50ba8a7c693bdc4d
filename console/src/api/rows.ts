// What the REST API answers, field by field. Tokens are 64-bit: those beyond 2^53 arrive as text (see client.ts).

export type Role = 'ingest' | 'analyst' | 'responder' | 'admin' | 'peer';
export type Tier = 'accuse' | 'review' | 'none';
export type Verdict = 'distillation' | 'honest' | 'unsure';
export type Token = number | string;

export interface Page<Row> {
  rows: Row[];
  next: string | null;
}

export interface Identity {
  key_id: string;
  role: Role;
  name: string;
  created_at: string;
  expires_at: string | null;
  revoked_at: string | null;
}

export interface Run {
  run_id: string;
  as_of: string;
  known_at: string | null;
  window_start: string;
  by: string;
  engine: string;
  alpha: number;
  calibration_id: string;
  n_accounts: number;
  n_exchanges: number;
  n_groups: number;
  notes: string[];
}

export interface Campaign {
  run_id: string;
  campaign_id: string;
  tier: Tier;
  n_accounts: number;
  n_exchanges: number;
  input_tokens: number;
  output_tokens: number;
  first_seen_at: string;
  last_seen_at: string;
  capabilities: string[];
  signals: string[];
  signal_p_values: number[];
  signal_contributions: number[];
  token_kinds: string[];
  nearest_lookalike: string | null;
  margin: number;
  score: number;
  baseline: number;
  p_value: number;
  q_value: number;
  calibration: string;
  calibration_id: string;
  best_group_id: string;
  n_groups: number;
}

export interface Member {
  account_id: string;
  token_kind: string;
  token: Token;
  n: number;
  first_seen_at: string;
  last_seen_at: string;
}

export interface Group {
  token_kind: string;
  token: Token;
  n_accounts: number;
  n_exchanges: number;
  first_seen_at: string;
  last_seen_at: string;
}

export interface SeenAccount {
  account_id: string;
  tier: Tier;
  campaign_id: string | null;
  score: number | null;
  p_value: number | null;
  q_value: number | null;
  first_flagged_at: string | null;
  reasons: string[] | null;
  queue: string | null;
  held_back: string | null;
  n_exchanges: number | null;
  n_flagged_exchanges: number | null;
}

export interface Explained {
  account_id: string;
  finding: SeenAccount | null;
  campaign: Campaign | null;
  slices: Member[];
}

export interface Judgement {
  judgement_id: string;
  subject_id: string;
  verdict: Verdict;
  note: string;
  author: string;
  judged_at: string;
}

export interface Decision {
  decision_id: string;
  account_id: string;
  campaign_id: string | null;
  action: string;
  mode: string;
  rule: string | null;
  status: string;
  decided_at: string;
  author: string | null;
}

export interface KillSwitch {
  is_on: boolean;
  author: string;
  note: string;
  since: string | null;
}

export interface Calibration {
  calibration_id: string;
  kind: string;
  created_at: string;
}

export interface PopulationDay {
  day: string;
  n_exchanges: number;
  n_accounts: number;
  n_errors: number;
  n_flagged_exchanges: number;
  n_flagged_accounts: number;
}

export interface SourceHealth {
  source: string;
  n_batches: number;
  records_in: number;
  rows_out: number;
  duplicates: number;
  rejected: number;
  last_batch_at: string;
  last_exchange_at: string | null;
}

/** Everything below `run` is there only when a run is. */
export interface Overview {
  n_runs: number;
  sources: SourceHealth[];
  calibration: Calibration;
  run: Run | null;
  campaigns?: { by_tier: Record<string, number>; n_accounts: number; n_exchanges: number };
  n_exchanges?: number;
  n_flagged_exchanges?: number;
  flagged_share?: number | null;
  days?: PopulationDay[];
}

export interface EvidenceStep {
  name: string;
  contribution: number;
  start: number;
  end: number;
  p_value: number | null;
  is_counter: boolean;
}

export interface Evidence {
  campaign_id: string;
  score: number;
  steps: EvidenceStep[];
  silent: { name: string }[];
  lookalike: { name: string; margin: number; point: number } | null;
  p_value: number;
  q_value: number;
  calibration: string;
  n_accused: number;
  held_back: Record<string, number>;
}

export interface CampaignDay {
  day: string;
  n_exchanges: number;
  n_accounts: number;
  n_new_accounts: number;
  n_suspended: number;
  n_successors: number;
  models: string[];
  model_accounts: number[];
}

export interface CampaignToken {
  token_kind: string;
  token: string;
  n_members: number;
  n_exchanges: number;
  n_adopters: number | null;
  n_honest: number | null;
  exclusivity: number | null;
  is_exclusive: boolean;
  first_seen_at: string;
  last_seen_at: string;
  content_ref: string | null;
}

export interface CampaignEvent {
  at: string;
  kind: string;
  reference: string;
  what: string;
  author: string | null;
  note: string | null;
  n_accounts: number | null;
  n_exchanges: number | null;
  score: number | null;
  q_value: number | null;
}

export interface Exposure {
  capability: string;
  n_accounts: number;
  exchanges_low: number;
  exchanges: number;
  exchanges_high: number;
  output_tokens_low: number;
  output_tokens: number;
  output_tokens_high: number;
  useful_output_tokens: number;
  n_refused: number;
  n_repeats: number;
  n_traces: number;
  n_cells: number;
  n_cells_covered: number;
  coverage_by_day: number[];
  alarm_at: string | null;
  output_tokens_before_alarm: number;
  daily_output_tokens_low: number;
  daily_output_tokens: number;
  daily_output_tokens_high: number;
}

export interface Revealed {
  content_ref: string;
  kind: string;
  body: string;
  n_chars: number;
  expires_at: string | null;
}

export interface Found {
  run_id: string;
  accounts: { n: number; rows: SeenAccount[] };
  campaigns: { n: number; rows: Campaign[] };
  tokens: { n: number; rows: { token_kind: string; token: string; campaign_id: string; n_members: number }[] };
}

export interface PlanLine {
  subject_id: string;
  outcome: string;
  action: string | null;
  mode: string | null;
  rule: string | null;
  campaign_id: string | null;
  tier: Tier | null;
  n_token_kinds: number | null;
  score: number | null;
  why: string;
}

export interface PastRun {
  run_id: string;
  as_of: string;
  n_customers: number;
  n_matched: number;
  n_touched: number;
  n_held_by_cap: number;
  n_managed: number;
  n_later_honest: number;
  share_per_hour: number;
}

export interface Plan {
  policy_digest: string;
  run_id: string;
  n_customers: number;
  n_touched: number;
  cap_per_hour: number;
  n_touched_before: number;
  needs_second: string[];
  n_lines: number;
  lines: PlanLine[];
  back_test?: {
    n_touched: number;
    n_later_honest: number;
    honest_share: number | null;
    peak_share_per_hour: number;
    runs: PastRun[];
  } | null;
}

export interface SharingPreview {
  terms: { asked: string; profile: string; basis: string; needs_approver: boolean; policy_digest: string };
  n_objects: number;
  n_held_back: number;
  counts: Record<string, number>;
  objects: { type: string; id: string; [name: string]: unknown }[];
  decisions: { object: string; field: string; class: string; outcome: string; rule: string }[];
}

export interface LedgerHead {
  size: number;
  checkpoint: string | null;
  verifier_key: string;
}

export interface ApiKey extends Identity {
  /** Only in the answer that made it. */
  key?: string;
}

export interface Appeal {
  account_id: string;
  status: 'waiting' | 'granted' | 'moot';
  asked_at: string | null;
  n_standing: number;
  action: string | null;
  campaign_id: string | null;
  settled_at: string | null;
}

export interface AppealBudget {
  n_enforced: number;
  n_granted: number;
  false_positive_budget: number;
  budget_days: number;
}

export interface Restored {
  n_ended: number;
  is_rolled_back: boolean;
}

export interface DossierPart {
  part: string;
  class: string;
  outcome: string;
  rule: string;
}

export interface Point {
  kind: string;
  ref: string;
  says: string;
}

export interface Hypothesis {
  kind: string;
  statement: string;
  likelihood: string;
  confidence: string;
  supporting: Point[];
  contradicting: Point[];
}

export interface Assessment {
  assessment_id: string;
  hypotheses: Hypothesis[];
  author: string;
  written_at: string;
  approved_by: string | null;
  withdrawn_by: string | null;
  stands: boolean;
}
