"""Words and shapes that betray what a text must not say, by class of field; each is an alternative of one pattern."""

from collections.abc import Mapping
from typing import Final

_MONEY: Final = r"(?:usd|eur|gbp|cny|jpy|inr|dollars?|euros?|pounds?|yuan|cents?)"
COUNTED: Final = r"(?:accounts?|exchanges?|tokens?|requests?|users?|customers?|prompts?|calls?|queries|times)"
"""What counts count."""
_NUMBER: Final = (
    r"(?:ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen|(?:twen|thir|for|fif|six|seven|eigh|nine)ty"
    r"|hundreds?|thousands?|millions?|billions?|dozens?)"
)

_ASKED: Final = r"(?:translate|summari[sz]e|rewrite|explain|solve|implement|refactor|complete|answer|grade)"

BREACHES: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("identity", "e-mail address"): (
        r"[\w.+-]+\s*(?:@|\(at\)|\[at\]|\s+at\s+)\s*[\w-]+\s*(?:\.|\(dot\)|\[dot\]|\s+dot\s+)\s*[a-z]{2,}",
    ),
    ("identity", "telephone number"): (r"\+\d[\d ()./-]{7,}\d", r"\(\d{3}\)\s*\d{3}[ -]\d{4}"),
    ("identity", "card or account number"): (r"(?:\d[ -]?){13,19}",),
    ("identity", "personal data by name"): (r"\b(?:passport|date of birth|social security|home address|full name)\b",),
    ("commercial", "price"): (
        r"[$€£¥₹]\s*\d",
        rf"\d[\d.,]*\s*(?:[$€£¥₹]|{_MONEY}\b)",
        rf"\b{_MONEY}\s*\d",
        rf"\b{_NUMBER}\s+{_MONEY}\b",
    ),
    ("commercial", "commercial term"): (
        r"\b(?:pric(?:e|es|ed|ing)|discount\w*|rebates?|margins?|revenues?|invoic\w+|profits?|wholesale|tariffs?)\b",
        r"\b(?:list rate|per million tokens|per (?:m|k) ?tok\w*|contract value|market share|customer lists?)\b",
        r"\b(?:road ?maps?|rate limits?|(?:serving|spare|our|gpu) capacity)\b",
    ),
    ("coordination", "call for joint action"): (
        r"\b(?:refuse to (?:deal|serve|sell)|boycott|jointly|in concert|cartel|agreed (?:terms|response))\b",
        r"\b(?:we|let us|labs|providers|everyone|all of us)\s+(?:should|must|agree\w*|ought|will)\b",
        r"\b(?:do not|don'?t|stop)\s+(?:serv\w+|sell\w+|deal\w*)",
        r"\bplease (?:ban|block|suspend|terminate)\b",
        r"\b(?:ban|suspend|terminate) (?:this|these|the|them|their)\b",
        r"\brecommended (?:terms|action against)\b",
    ),
    ("content", "words of a prompt"): (
        r"<\|?\w+\|?>",
        r"```",
        r"\b(?:system prompt|you are (?:a|an|the)|as an ai|ignore (?:all|the|any|previous)|step[- ]by[- ]step)\b",
        r"\bfollowing (?:text|code|question|passage|problem|clause|function|document|sentence)\b",
        r"\b(?:user|assistant|human|system)\s*:",
        r"\bwrite (?:a|an|the|me)\b",
        rf"\b{_ASKED} (?:the|this|these|how|why|in|each|it|a|an)\b",
        r"\b(?:respond (?:in|with|only)|think carefully|output only|return only)\b",
        r"\b(?:your|my) (?:task|answer|reasoning|code)\b",
    ),
    ("content", "a long quotation"): (r"[\"“”«][^\"“”»]{40,}[\"“”»]",),
    ("content", "a placeholder"): (r"\{\{?\s*\w+\s*\}?\}",),
    ("volume", "exact count"): (
        rf"\b\d[\d,. ']*\s*(?:k|m|bn)?\s*{COUNTED}\b",
        rf"\b{_NUMBER}\b[ -]?(?:\w+[ -]){{0,3}}?{COUNTED}\b",
        rf"\b{_NUMBER}[ -]{_NUMBER}\b",
        rf"{COUNTED}\s*[:=]\s*\d",
    ),
    ("volume", "number"): (
        r"(?<![\w.])\d{3,}(?:[,.' ]\d{3})*(?![\w.])",
        r"\d{1,3}(?:[,' ]\d{3})+",
        r"\d+(?:\.\d+)?\s*(?:million|thousand|billion)",
    ),
}

INNOCENT: Final = (
    r"AML\.(?:T|TA|M|CS)\d{4}(?:\.\d{3})?",
    r"\bAS ?\d{1,10}\b",
    r"\b20\d\d-[01]\d-[0-3]\d(?:T[\d:.]+Z)?\b",
    r"\bCVE-\d{4}-\d{4,7}\b",
    r"\bRFC ?\d{1,4}\b",
    r"\b(?:\d{1,3}\.){3}\d{1,3}\b",
    r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b",
    rf"\b(?:19|20)\d\d\b(?!\s*{COUNTED})",
)
"""Numbers that count nothing: technique ids, autonomous systems, dates, standards, addresses, ids, years."""
