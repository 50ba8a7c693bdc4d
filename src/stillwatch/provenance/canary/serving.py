"""A sealed plan at work: what one request of a campaign's account is served with."""

from dataclasses import dataclass, field

from stillwatch.provenance.canary.plan import CanaryPlan, carries


@dataclass(frozen=True, slots=True)
class Variant:
    """What a request is served with: `text` goes after the system prompt; empty in the control arm or by the draw.

    `prompt_class` is what the text was chosen by.
    """

    plan_id: str
    prompt_class: str
    text: str

    @property
    def is_carried(self) -> bool:
        """Whether this request carries the canary."""
        return bool(self.text)


@dataclass(frozen=True, slots=True)
class Serving:
    """A plan whose commitments are in the ledger. `master` draws who carries it, and never leaves.

    Whether an account is in the control arm, and what it is served with, is the same for all of its requests; which of
    them carry it is a draw by their ids, so that a request that is sent again gets the same answer.
    """

    plan: CanaryPlan
    master: bytes = field(repr=False)

    def variant(self, subject: str, account_id: str, request_id: str, prompt_class: str) -> Variant | None:
        """What a request is served with; None where the plan has no such subject or class of prompts."""
        campaign = next((one for one in self.plan.campaigns if one.subject == subject), None)
        text = None if campaign is None else campaign.instructions.get(prompt_class)
        if text is None:
            return None
        is_carried = carries(self.plan, self.master, subject, account_id, request_id)
        return Variant(self.plan.plan_id, prompt_class, text if is_carried else "")
