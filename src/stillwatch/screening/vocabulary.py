"""Words of names that say little, or the same thing in several ways. Own compilation from public registers' usage."""

from typing import Final

LEGAL_FORMS: Final = {
    "llc": ("llc", "limited liability company", "ooo", "obshchestvo s ogranichennoi otvetstvennostyu",
            "obshchestvo s ogranichennoy otvetstvennostyu", "obschestvo s ogranichennoy otvetstvennostyu", "too", "tov",
            "gmbh", "gesellschaft mit beschrankter haftung", "srl", "societa a responsabilita limitata",
            "sociedad de responsabilidad limitada", "sarl", "societe a responsabilite limitee",
            "societatea cu raspundere limitata", "sp z o o", "sp z oo", "spolka z ograniczona odpowiedzialnoscia",
            "sro", "doo", "ltda", "limitada", "s de rl", "bv", "bvba", "kft", "uab", "sia", "fzllc", "fzc", "wll",
            "ehf"),
    "jsc": ("jsc", "joint stock company", "ao", "aktsionernoe obshchestvo", "aktsionernoye obshchestvo",
            "oao", "otkrytoe aktsionernoe obshchestvo", "otkrytoye aktsionernoye obshchestvo",
            "ojsc", "open joint stock company", "pao", "pjsc", "publichnoe aktsionernoe obshchestvo",
            "public joint stock company", "public joint stock", "zao", "zakrytoe aktsionernoe obshchestvo", "cjsc",
            "closed joint stock company", "ag", "aktiengesellschaft", "sa", "societe anonyme", "sociedad anonima",
            "spa", "societa per azioni", "nv", "ab", "aktiebolag", "as", "asa", "a s", "oyj", "oy", "plc",
            "public limited company", "kk", "kabushiki kaisha", "pt", "tbk", "sa de cv", "sab de cv", "se"),
    "ltd": ("ltd", "limited", "co ltd", "company limited", "pte ltd", "pte", "private limited", "pvt ltd", "pty ltd",
            "proprietary limited", "pty", "pvt", "sdn bhd", "bhd", "youxian gongsi"),
    "inc": ("inc", "incorporated", "corp", "corporation", "co", "company", "korporatsiya", "cie", "compagnie"),
    "lp": ("lp", "limited partnership", "llp", "kg", "gmbh co kg", "kommanditgesellschaft"),
}  # fmt: skip
"""Legal form to its spellings after normalisation. A form never makes two names different: registers disagree on it."""

TITLES: Final = frozenset({
    "admiral", "alhaj", "brigadier", "capt", "captain", "col", "colonel", "don", "dona", "dr", "frau", "gen",
    "general", "hadji", "haji", "hajji", "herr", "hon", "king", "lieutenant", "lt", "madam", "maj", "major",
    "maulavi", "maulawi", "mawlawi", "miss", "mr", "mrs", "ms", "mulla", "mullah", "president", "prince", "princess",
    "prof", "qari", "queen", "rev", "senor", "senora", "shaykh", "sheik", "sheikh", "sir",
})  # fmt: skip
"""Titles of people, dropped while at least two other words are left."""

PARTICLES: Final = frozenset({
    "a", "abou", "abu", "ad", "al", "an", "and", "ar", "as", "ash", "at", "az", "ben", "bin", "bint", "da", "das",
    "de", "del", "della", "den", "der", "des", "di", "do", "dos", "du", "e", "el", "et", "for", "i", "ibn", "in",
    "la", "las", "le", "los", "o", "of", "on", "ten", "ter", "the", "ul", "um", "umm", "und", "van", "von", "y", "zu",
    "zur",
})  # fmt: skip
"""Words that come and go between spellings of one name; they weigh little."""

NUMBER_WORDS: Final = {
    "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7",
    "eight": "8", "nine": "9", "ten": "10", "eleven": "11", "twelve": "12", "twenty": "20",
    "first": "1", "second": "2", "third": "3", "fourth": "4", "fifth": "5", "sixth": "6", "seventh": "7",
    "eighth": "8", "ninth": "9", "tenth": "10", "ii": "2", "iii": "3", "iv": "4", "vi": "6", "vii": "7", "viii": "8",
}  # fmt: skip
"""Numbers in words and Roman figures; a number that differs makes two names different."""

SYNONYMS: Final = {
    "organisation": "organization", "organisational": "organizational", "intl": "international",
    "int": "international", "mfg": "manufacturing", "bros": "brothers", "assoc": "association", "natl": "national",
    "univ": "university", "inst": "institute", "tech": "technology", "technologies": "technology",
    "centre": "center", "grp": "group", "gruppa": "group", "gruppe": "group", "groupe": "group", "dept": "department",
    "eng": "engineering", "ind": "industry", "industries": "industry", "industrial": "industry", "svc": "services",
    "service": "services", "mgmt": "management", "holdings": "holding", "kholding": "holding", "banka": "bank",
    "banque": "bank", "banco": "bank", "muhammad": "mohammed", "mohammad": "mohammed", "mohamed": "mohammed",
    "mohamad": "mohammed", "muhammed": "mohammed", "mohd": "mohammed", "md": "mohammed",
}  # fmt: skip
"""Abbreviations and spellings of one word that letters alone do not bring together."""

NICKNAMES: Final = (
    ("alexander", "alex", "sasha", "aleksandr", "sandy"), ("andrew", "andy", "drew", "andrei", "andrey"),
    ("anthony", "tony"), ("benjamin", "ben", "benny"), ("catherine", "kate", "katherine", "cathy", "katie"),
    ("charles", "charlie", "chuck", "karl", "carl", "carlos"), ("christopher", "chris"), ("daniel", "dan", "danny"),
    ("david", "dave"), ("donald", "don"), ("dmitry", "dima", "dmitri"), ("edward", "ed", "eddie", "ted"),
    ("elizabeth", "liz", "beth", "betty", "lisa"), ("evgeny", "yevgeny", "eugene", "zhenya"),
    ("francis", "frank", "francisco"), ("frederick", "fred", "friedrich"), ("george", "georgy", "yuri", "jorge"),
    ("gregory", "greg"), ("henry", "harry", "hank"), ("james", "jim", "jimmy", "jaime"), ("jacob", "jake"),
    ("john", "johnny", "jack", "ivan", "juan", "johann", "jon"), ("joseph", "joe", "jose", "josef", "yusuf", "yousef"),
    ("joshua", "josh"), ("kenneth", "ken"), ("lawrence", "larry"), ("margaret", "maggie", "peggy"),
    ("matthew", "matt"), ("michael", "mike", "mikhail", "miguel", "misha", "mick"), ("nicholas", "nick", "nikolai"),
    ("patrick", "pat"), ("paul", "pavel", "pablo"), ("peter", "pete", "pyotr", "petr", "pedro"),
    ("philip", "phil"), ("richard", "rick", "dick", "ricardo"), ("robert", "bob", "rob", "bobby"),
    ("ronald", "ron"), ("samuel", "sam"), ("sergey", "sergei", "serhii"), ("stephen", "steve", "steven", "stefan"),
    ("theodore", "ted", "theo", "fyodor"), ("thomas", "tom", "tommy"), ("timothy", "tim"),
    ("vladimir", "volodymyr", "vova"), ("william", "will", "bill", "billy", "wilhelm"),
)  # fmt: skip
"""Given names with their short and foreign forms."""
