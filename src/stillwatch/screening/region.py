"""Where the service is offered: countries that are not served, as a reason for a person to look, never to ban."""

from collections.abc import Mapping

from stillwatch.screening.outcome import Cause, Hit, Level
from stillwatch.screening.settings import Settings


def is_served(country: str, settings: Settings) -> bool:
    """Whether policy serves a country, given as ISO 3166 code."""
    code = country.upper()
    in_list = not settings.supported_countries or code in settings.supported_countries
    return in_list and code not in settings.unsupported_countries


def region_hits(
    account_id: str, used_from: Mapping[str, int], *, subject_digest: str, object_digest: str, settings: Settings
) -> list[Hit]:
    """One hit, for review, when an account's exchanges came from countries that are not served; else none.

    `used_from` counts exchanges by ISO 3166 code. An address is no residence: travel, roaming and VPNs are the usual
    innocent causes, which is why geography never holds.
    """
    total = sum(used_from.values())
    outside = {code: n for code, n in used_from.items() if not is_served(code, settings)}
    if not outside:
        return []
    codes = sorted(outside, key=lambda code: (-outside[code], code))
    share = sum(outside.values()) / total
    reasons = (
        f"{share:.0%} of {total:,} exchanges with a known country came from countries that are not served: "
        + ", ".join(f"{code} {outside[code]:,}" for code in codes),
        "an address is no residence: travel, roaming or a VPN explain this too",
    )
    return [
        Hit(
            account_id,
            Cause.REGION,
            Level.REVIEW,
            ",".join(codes),
            "countries that are not served",
            reasons,
            subject_digest,
            object_digest,
        )
    ]
