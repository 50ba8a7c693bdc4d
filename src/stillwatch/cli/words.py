"""Findings in sentences."""

from collections.abc import Mapping

CALIBRATION_SAYS = {
    "shipped": "the shipped calibration (simulated honest traffic and look-alikes)",
    "fitted": "a calibration fitted to this deployment",
}
HELD_BACK_SAYS = {
    "few_exchanges": "too few of its exchanges lie in accused groups to accuse it by itself",
    "unlike_members": "its hours, days or volume are unlike those of the accused members, as an honest adopter's are",
    "one_token_kind": "it shares one kind of token with a campaign whose members mostly share two, as if imitated",
    "account_manager": "a verified owner or a contract stands behind it: ask the account manager",
}
"""Why an account that carries what accused accounts carry is not accused."""
REASONS_SAY = {
    "exclusive_token": "it sends what only this campaign sends",
    "peer_indicator": "a peer names what its group shares, and without the peer it would not be looked at",
}
"""Reasons of a finding that are no signals."""


def sentences(campaign: Mapping[str, object]) -> list[str]:
    """A campaign's verdict, evidence, counter-evidence and certainty, one sentence each."""
    from stillwatch.signals import catalog

    known = {signal.name: signal for signal in catalog()}
    lines = [
        f"{campaign['n_accounts']:,} accounts, {campaign['n_exchanges']:,} flagged exchanges; tier {campaign['tier']}.",
    ]
    names, p_values = campaign["signals"], campaign["signal_p_values"]
    assert isinstance(names, list)
    assert isinstance(p_values, list)
    for name, p_value in zip(names, p_values, strict=True):
        signal = known.get(name)
        meaning = f": {signal.high_means} An innocent cause would be: {signal.innocent_cause}" if signal else "."
        lines.append(f"{name} (p {p_value:.2g} among honest groups){meaning}")
    lines.append(
        f"Nearest honest look-alike: {campaign['nearest_lookalike']}; the score {campaign['score']:.1f} is "
        f"{campaign['margin']:+.1f} from that class's 99 % point."
    )
    lines.append(
        f"Of all people at this score or above, an estimated share of {campaign['q_value']:.2g} is honest; "
        f"calibrated by {CALIBRATION_SAYS[str(campaign['calibration'])]}."
    )
    return lines
