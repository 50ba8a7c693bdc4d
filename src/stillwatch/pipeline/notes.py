"""What a run could not look at, and what is odd about what it looked at, in plain words."""

from typing import Final

import pyarrow as pa

from stillwatch import scoring
from stillwatch.engines import Engine
from stillwatch.model.stage import Tables
from stillwatch.model.tables import ACCOUNTS, TOKEN_USES

NO_ACCOUNTS: Final = (
    "no accounts table: age, owners, devices and payment cannot be seen. Without owners the fleet of a customer looks "
    "like a campaign, so nobody is accused, only reviewed: load account ids, and owners where known, with `stillwatch "
    "ingest accounts FILE`"
)


def missing_notes(inputs: Tables, engine: Engine) -> list[str]:
    """What this run could not look at, in plain words."""
    uses = inputs[TOKEN_USES.name]
    kinds = set(engine.to_arrow(uses.select("token_kind").distinct())["token_kind"].to_pylist())
    n_accounts = engine.to_arrow(inputs[ACCOUNTS.name].aggregate(n=inputs[ACCOUNTS.name].count()))["n"][0].as_py()
    missing = {
        "no prompts: detection rests on infrastructure and timing alone": not kinds & {"skeleton", "shingle", "system"},
        "no client addresses or fingerprints: shared infrastructure cannot be seen": not kinds & {"address", "ja4"},
        NO_ACCOUNTS: not n_accounts,
    }
    return [note for note, applies in missing.items() if applies]


def population_notes(shifts: pa.Table) -> list[str]:
    """Whether the run's groups as a whole, SCORE_SHIFTS, lie where the calibration's honest groups do not."""
    corrected = [shift for shift in scoring.shifts_of(shifts) if shift.is_corrected]
    if not corrected:
        return []
    worst = max(corrected, key=lambda shift: (shift.centre, shift.spread))
    note = (
        f"groups here lie elsewhere than those of the calibration in {len(corrected)} signals by family "
        f"(most in {worst.signal}, {worst.family}: median {worst.centre:+.1f} spreads, {worst.spread:.1f} times "
        "as wide); scores are corrected for it, and `stillwatch calibrate` fits the calibration to this deployment"
    )
    return [note]
