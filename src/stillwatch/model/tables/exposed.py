"""What the exposure room writes: what was taken, by account, by day, by model and in sum."""

import pyarrow as pa

from stillwatch.model.table import Partition, Table, column
from stillwatch.model.tables.kinds import COUNT, DAY, FLAG, REAL, TEXT, TIME

_CAPABILITY = "name of model.capability.Capability; unknown: the prompt was not sketched"

EXPOSURE_ACCOUNTS = Table(
    name="exposure_accounts",
    made_by="exposure",
    key=("run_id", "campaign_id", "account_id", "capability"),
    partition=Partition.RUN,
    schema=pa.schema(
        [
            column("run_id", TEXT, required=True),
            column("campaign_id", TEXT, required=True),
            column("account_id", TEXT, required=True),
            column("capability", TEXT, _CAPABILITY, required=True),
            column(
                "tier", TEXT, "accuse or review for members; none: carries the campaign's own tokens", required=True
            ),
            column("is_core", FLAG, "accused, or a member of a campaign that accuses nobody", required=True),
            column("q_value", REAL, "share of honest people among all at the account's score or above", required=True),
            column("n_all", COUNT, "whole account, this capability", unit="exchanges", required=True),
            column("all_input_tokens", COUNT, unit="tokens", required=True),
            column("all_output_tokens", COUNT, unit="tokens", required=True),
            column("n_flagged", COUNT, "inside flagged slices", unit="exchanges", required=True),
            column("input_tokens", COUNT, "of flagged exchanges", unit="tokens", required=True),
            column("output_tokens", COUNT, "of flagged exchanges", unit="tokens", required=True),
            column(
                "n_strong",
                COUNT,
                "flagged by an own token that many core members send",
                unit="exchanges",
                required=True,
            ),
            column("strong_input_tokens", COUNT, "of these", unit="tokens", required=True),
            column("strong_output_tokens", COUNT, "of these", unit="tokens", required=True),
            column("n_strong_useful", COUNT, "useful ones among these", unit="exchanges", required=True),
            column("strong_useful_output_tokens", COUNT, unit="tokens", required=True),
            column("n_prompt", COUNT, "flagged by what the prompt is made of", unit="exchanges", required=True),
            column("n_frame", COUNT, "flagged by system prompt or tools", unit="exchanges", required=True),
            column("n_both", COUNT, "flagged by both", unit="exchanges", required=True),
            column("n_refused", COUNT, "flagged, and blocked or filtered", unit="exchanges", required=True),
            column("n_failed", COUNT, "flagged, and failed or cancelled", unit="exchanges", required=True),
            column("n_repeats", COUNT, "answered again for the same prompt", unit="exchanges", required=True),
            column("n_useful", COUNT, "flagged, answered, first of its prompt", unit="exchanges", required=True),
            column("useful_output_tokens", COUNT, unit="tokens", required=True),
            column("n_traces", COUNT, "useful answers that hold reasoning", unit="exchanges", required=True),
            column("trace_tokens", COUNT, "output tokens of these", unit="tokens", required=True),
        ]
    ),
)

EXPOSURE_DAYS = Table(
    name="exposure_days",
    made_by="exposure",
    key=("run_id", "campaign_id", "capability", "day"),
    partition=Partition.RUN,
    schema=pa.schema(
        [
            column("run_id", TEXT, required=True),
            column("campaign_id", TEXT, required=True),
            column("capability", TEXT, _CAPABILITY, required=True),
            column("day", DAY, required=True),
            column("n_flagged", COUNT, "of core members, inside flagged slices", unit="exchanges", required=True),
            column("input_tokens", COUNT, unit="tokens", required=True),
            column("output_tokens", COUNT, unit="tokens", required=True),
            column("n_useful", COUNT, unit="exchanges", required=True),
            column(
                "n_new_cells",
                COUNT,
                "grid cells that the campaign reached first on this day",
                unit="cells",
                required=True,
            ),
            column("n_before_alarm", COUNT, "before the campaign's first accusation", unit="exchanges", required=True),
            column("output_tokens_before_alarm", COUNT, unit="tokens", required=True),
        ]
    ),
)

EXPOSURE_MODELS = Table(
    name="exposure_models",
    made_by="exposure",
    key=("run_id", "campaign_id", "model"),
    partition=Partition.RUN,
    schema=pa.schema(
        [
            column("run_id", TEXT, required=True),
            column("campaign_id", TEXT, required=True),
            column("model", TEXT, "request model; empty: not reported", required=True),
            column("n_flagged", COUNT, unit="exchanges", required=True),
            column("output_tokens", COUNT, unit="tokens", required=True),
            column("released_on", DAY, "first day by which five accounts used it; null: in use when the window began"),
            column(
                "n_first_days",
                COUNT,
                "flagged, on this model, on the day of release or the next",
                unit="exchanges",
                required=True,
            ),
            column("n_first_days_any", COUNT, "flagged, on any model, on these days", unit="exchanges", required=True),
            column(
                "others_share",
                REAL,
                "of all other accounts active on these days, those that used it; null without a release",
            ),
        ]
    ),
)

_COUNTED = (
    ("exchanges", "exchanges"),
    ("input_tokens", "tokens"),
    ("output_tokens", "tokens"),
    ("useful_exchanges", "exchanges"),
    ("useful_output_tokens", "tokens"),
)

EXPOSURES = Table(
    name="exposures",
    made_by="exposure",
    key=("run_id", "campaign_id", "capability"),
    partition=Partition.RUN,
    schema=pa.schema(
        [
            column("run_id", TEXT, required=True),
            column("campaign_id", TEXT, required=True),
            column("capability", TEXT, f"{_CAPABILITY}; all: every capability together", required=True),
            column("n_accounts", COUNT, "core members with flagged exchanges", unit="accounts", required=True),
            *(
                column(f"{name}{end}", COUNT, note, unit=unit, required=True)
                for name, unit in _COUNTED
                for end, note in (
                    ("_low", "lower end, 95 %"),
                    ("", "inside flagged slices"),
                    ("_high", "upper end, 95 %"),
                )
            ),
            column(
                "is_bounded_by_slices",
                FLAG,
                "whether the upper end rests on slices; else on whole accounts",
                required=True,
            ),
            column("n_refused", COUNT, unit="exchanges", required=True),
            column("n_failed", COUNT, unit="exchanges", required=True),
            column("n_repeats", COUNT, unit="exchanges", required=True),
            column("n_traces", COUNT, "useful answers that hold reasoning", unit="exchanges", required=True),
            column("trace_tokens", COUNT, unit="tokens", required=True),
            column("n_cells", COUNT, "grid cells that all traffic of the window reached", unit="cells", required=True),
            column("n_cells_covered", COUNT, "of these, reached by the campaign", unit="cells", required=True),
            column(
                "coverage_by_day",
                pa.list_(REAL),
                "share of the grid covered at the end of each day of the window",
                required=True,
            ),
            column("alarm_at", TIME, "first accusation of a member; null when none is accused"),
            column("n_before_alarm", COUNT, unit="exchanges", required=True),
            column("output_tokens_before_alarm", COUNT, unit="tokens", required=True),
            column("daily_output_tokens_low", COUNT, "least of the last active days", unit="tokens", required=True),
            column("daily_output_tokens", COUNT, "median of the last active days", unit="tokens", required=True),
            column("daily_output_tokens_high", COUNT, "most of the last active days", unit="tokens", required=True),
        ]
    ),
)
