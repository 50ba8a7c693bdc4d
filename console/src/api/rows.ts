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

export interface Batch {
  ingest_batch_id: string;
  source: string;
  uri: string;
  digest: string;
  source_version: string;
  started_at: string;
  finished_at: string;
  records_in: number;
  rows_out: number;
  duplicates: number;
  rejected: number;
  field_coverage: string;
}

export interface Reject {
  ingest_batch_id: string;
  line_no: number;
  reason: string;
  length: number | null;
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
