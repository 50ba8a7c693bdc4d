"""Named worlds, each with what it shows and how hard it should be."""

from dataclasses import dataclass

import msgspec

from stillwatch.errors import UsageError
from stillwatch.simulate.lookalikes import LOOKALIKES
from stillwatch.simulate.world import Campaign, HonestMix, World


@dataclass(frozen=True, slots=True)
class Scenario:
    """A named world. `scales_campaigns`: --scale shrinks the campaigns as well as the honest world."""

    name: str
    description: str
    difficulty: str
    world: World
    scales_campaigns: bool = False

    def at_scale(self, scale: float) -> World:
        """The world with `scale` times the honest accounts (and campaign accounts where they scale)."""
        if not 0 < scale <= 10:
            raise UsageError(f"scale must be above 0 and at most 10, got {scale}; 1 is the scenario as described")
        honest = self.world.honest
        n_honest = max(200, round(honest.n_accounts * scale))
        n_frameworks = max(12, min(honest.n_frameworks, n_honest // 60))
        campaigns = self.world.campaigns
        if self.scales_campaigns:
            campaigns = tuple(
                msgspec.structs.replace(campaign, n_accounts=max(5, round(campaign.n_accounts * scale)))
                for campaign in campaigns
            )
        honest = msgspec.structs.replace(honest, n_accounts=n_honest, n_frameworks=n_frameworks)
        return msgspec.structs.replace(self.world, honest=honest, campaigns=campaigns)


_HONEST = HonestMix(lookalikes=LOOKALIKES)
_BASE = Campaign(name="base500", n_accounts=500)


def _one(name: str, description: str, difficulty: str, **knobs: object) -> Scenario:
    """The base campaign of 500 accounts with some knobs turned."""
    campaign = msgspec.structs.replace(_BASE, name=name, **knobs)
    return Scenario(name, description, difficulty, World(honest=_HONEST, campaigns=(campaign,)))


_HIDING_DEMO = Campaign(
    name="demo-evasive",
    n_accounts=60,
    templates=24,
    paraphrase=0.3,
    dilution=0.6,
    p_share=0.0,
    mimics_hours=True,
    aged=0.7,
    start_day=1,
    shares_tools=False,
)

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario("quiet", "Honest accounts and look-alikes only", "nothing to find", World(honest=_HONEST)),
        Scenario(
            "demo",
            "Two weeks: a plain campaign of 120 accounts and an evasive one of 60 among look-alikes",
            "easy, hard",
            World(
                honest=msgspec.structs.replace(_HONEST, n_accounts=4_000, n_frameworks=40),
                campaigns=(Campaign(name="demo-plain", n_accounts=120), _HIDING_DEMO),
                n_days=14,
                release_day=8,
            ),
        ),
        Scenario(
            "reference",
            "The published case: 25,000 accounts, 28.8M exchanges, 45 days, 10:1 honest traffic",
            "easy when whole",
            World(
                honest=msgspec.structs.replace(_HONEST, n_accounts=10_000_000),
                campaigns=(
                    Campaign(name="reference", n_accounts=25_000, exchanges_per_day=25.6, dilution=0.0, templates=120),
                ),
            ),
            scales_campaigns=True,
        ),
        _one("base50", "The base campaign with 50 accounts", "easy", n_accounts=50),
        _one("base500", "The base campaign: 500 accounts, 26 exchanges a day, some dilution and few lapses", "easy"),
        _one("base5000", "The base campaign with 5,000 accounts", "easy", n_accounts=5_000),
        _one("undiluted", "No cover traffic", "easy", dilution=0.0),
        _one("diluted90", "90 % of each account's traffic is cover", "moderate", dilution=0.9),
        _one("diluted98", "98 % of each account's traffic is cover", "hard", dilution=0.98),
        _one("paraphrased90", "90 % of the prompts keep nothing of their template", "moderate", paraphrase=0.9),
        _one("paraphrased90_diluted90", "Both, at 26 exchanges a day", "hard", paraphrase=0.9, dilution=0.9),
        _one(
            "rewritten",
            "Every prompt rewritten, no system prompt or tools in common, no shared infrastructure",
            "beyond tokens: only coverage can see it",
            paraphrase=1.0,
            shares_system=False,
            shares_tools=False,
            p_share=0.0,
        ),
        _one(
            "many_templates",
            "One template for each account",
            "moderate",
            templates=500,
            shares_system=False,
            shares_tools=False,
        ),
        _one("no_infrastructure", "No lapse: nothing of cards, devices and addresses is shared", "easy", p_share=0.0),
        _one(
            "infrastructure_only",
            "Nothing in common but cards and exits, in clusters of 20",
            "moderate",
            paraphrase=1.0,
            shares_system=False,
            shares_tools=False,
            p_share=1.0,
            cluster=20,
        ),
        _one(
            "heavy_tailed",
            "Log-normal volumes between accounts (sigma 1.2)",
            "moderate",
            volume_sigma=1.2,
            daily_burst=1.0,
        ),
        _one("aged", "Accounts bought months before", "moderate", aged=1.0),
        _one(
            "circadian",
            "Each account by the clock of a region, with weekends and bursty days",
            "moderate",
            mimics_hours=True,
        ),
        _one("personas", "Each account keeps to four topics", "moderate", persona_topics=4),
        _one("unfocused", "Topics over everything", "moderate", unfocused=True),
        _one("churn", "Every account banned and replaced five times", "moderate", generations=5),
        _one("slow_start", "Volume grows over the first 30 days", "moderate", slow_start_days=30.0),
        _one("pivot", "Half of the traffic moves to a new model on its release", "easy", pivots=True),
        _one(
            "hidden_in_framework",
            "The campaign sends the system prompt and tools of the tenth framework",
            "hard",
            hides_in_framework=10,
        ),
        _one("served10", "Only the first tenth of the campaign", "moderate", served=0.1),
        _one("served02", "Only the first fiftieth of the campaign", "hard", served=0.02),
        _one("small_rate", "Two exchanges an account and day", "moderate", exchanges_per_day=2.0),
        _one(
            "heavy_tailed_aged",
            "Log-normal volumes and aged accounts: the open frontier",
            "not found by the prototype",
            volume_sigma=1.2,
            daily_burst=1.0,
            aged=1.0,
        ),
        _one(
            "everything",
            "Heavy tails, aged accounts, personas, regional clocks, 90 % dilution, half rewritten, no focus",
            "not found by the prototype",
            volume_sigma=1.2,
            daily_burst=1.0,
            aged=1.0,
            persona_topics=4,
            unfocused=True,
            mimics_hours=True,
            dilution=0.9,
            paraphrase=0.5,
            p_share=0.0,
            generations=2,
        ),
    )
}
"""Every scenario by name."""


def scenario(name: str) -> Scenario:
    """The scenario called `name`.

    Raises:
        UsageError: there is none.
    """
    if name not in SCENARIOS:
        raise UsageError(f"no scenario is called {name!r}; choose one of {', '.join(SCENARIOS)}")
    return SCENARIOS[name]
