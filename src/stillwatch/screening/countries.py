"""Countries by ISO 3166-1 code, and the code behind a name as lists write it."""

from functools import cache
from typing import Final

from stillwatch.screening.names import folded

_NAMES: Final = (
    "AF Afghanistan|AL Albania|DZ Algeria|AD Andorra|AO Angola|AG Antigua and Barbuda|AR Argentina|AM Armenia"
    "|AW Aruba|AU Australia|AT Austria|AZ Azerbaijan|BS Bahamas|BS Bahamas, The|BH Bahrain|BD Bangladesh"
    "|BB Barbados|BY Belarus|BE Belgium|BZ Belize|BJ Benin|BM Bermuda|BT Bhutan|BO Bolivia"
    "|BA Bosnia and Herzegovina|BW Botswana|BR Brazil|BN Brunei|BG Bulgaria|BF Burkina Faso|MM Burma|BI Burundi"
    "|KH Cambodia|CM Cameroon|CA Canada|CV Cape Verde|KY Cayman Islands|CF Central African Republic|TD Chad"
    "|CL Chile|CN China|CO Colombia|KM Comoros|CD Congo, Democratic Republic of the"
    "|CD Democratic Republic of the Congo|CG Congo, Republic of the|CG Congo|CR Costa Rica|CI Cote d Ivoire"
    "|CI Ivory Coast|HR Croatia|CU Cuba|CW Curacao|CY Cyprus|CZ Czech Republic|CZ Czechia|DK Denmark|DJ Djibouti"
    "|DM Dominica|DO Dominican Republic|EC Ecuador|EG Egypt|SV El Salvador|GQ Equatorial Guinea|ER Eritrea"
    "|EE Estonia|SZ Eswatini|ET Ethiopia|FJ Fiji|FI Finland|FR France|GA Gabon|GM Gambia|GM Gambia, The|GE Georgia"
    "|DE Germany|GH Ghana|GI Gibraltar|GR Greece|GD Grenada|GT Guatemala|GG Guernsey|GN Guinea|GW Guinea-Bissau"
    "|GY Guyana|HT Haiti|HN Honduras|HK Hong Kong|HU Hungary|IS Iceland|IN India|ID Indonesia|IR Iran|IQ Iraq"
    "|IE Ireland|IM Isle of Man|IM Man, Isle of|IL Israel|IT Italy|JM Jamaica|JP Japan|JE Jersey|JO Jordan"
    "|KZ Kazakhstan|KE Kenya|KI Kiribati|KP Korea, North|KP North Korea|KR Korea, South|KR South Korea|XK Kosovo"
    "|KW Kuwait|KG Kyrgyzstan|LA Laos|LV Latvia|LB Lebanon|LS Lesotho|LR Liberia|LY Libya|LI Liechtenstein"
    "|LT Lithuania|LU Luxembourg|MO Macau|MG Madagascar|MW Malawi|MY Malaysia|MV Maldives|ML Mali|MT Malta"
    "|MH Marshall Islands|MR Mauritania|MU Mauritius|MX Mexico|FM Micronesia|MD Moldova|MC Monaco|MN Mongolia"
    "|ME Montenegro|MA Morocco|MZ Mozambique|MM Myanmar|NA Namibia|NR Nauru|NP Nepal|NL Netherlands"
    "|AN Netherlands Antilles|NZ New Zealand|NI Nicaragua|NE Niger|NG Nigeria|MK North Macedonia"
    "|MK Macedonia, The Former Yugoslav Republic of|NO Norway|OM Oman|PK Pakistan|PW Palau|PS Palestinian"
    "|PS West Bank|PS Region: Gaza|PA Panama|PG Papua New Guinea|PY Paraguay|PE Peru|PH Philippines|PL Poland"
    "|PT Portugal|PR Puerto Rico|QA Qatar|RO Romania|RU Russia|RU Russian Federation|RW Rwanda"
    "|KN Saint Kitts and Nevis|LC Saint Lucia|VC Saint Vincent and the Grenadines|WS Samoa|SM San Marino"
    "|SA Saudi Arabia|SN Senegal|RS Serbia|SC Seychelles|SL Sierra Leone|SG Singapore|SK Slovakia|SI Slovenia"
    "|SB Solomon Islands|SO Somalia|ZA South Africa|SS South Sudan|ES Spain|LK Sri Lanka|SD Sudan|SR Suriname"
    "|SE Sweden|CH Switzerland|SY Syria|SY Syrian Arab Republic|TW Taiwan|TJ Tajikistan|TZ Tanzania|TH Thailand"
    "|TL Timor-Leste|TG Togo|TO Tonga|TT Trinidad and Tobago|TN Tunisia|TR Turkey|TR Turkiye|TM Turkmenistan"
    "|TV Tuvalu|UG Uganda|UA Ukraine|AE United Arab Emirates|GB United Kingdom|GB UK|US United States"
    "|US United States of America|US USA|UY Uruguay|UZ Uzbekistan|VU Vanuatu|VA Vatican|VE Venezuela|VN Vietnam"
    "|VN Viet Nam|VG Virgin Islands, British|YE Yemen|ZM Zambia|ZW Zimbabwe"
)


@cache
def _codes() -> dict[str, str]:
    pairs = [part.split(" ", 1) for part in _NAMES.split("|")]
    return {folded(name): code for code, name in pairs} | {code.lower(): code for code, _ in pairs}


def country_code(text: str | None) -> str | None:
    """The ISO 3166 code behind a code or an English name; None for what is neither."""
    return _codes().get(folded(text)) if text else None


def country_codes(texts: list[str]) -> tuple[str, ...]:
    """The codes behind all texts that name a country, once each, ascending."""
    return tuple(sorted({code for code in map(country_code, texts) if code}))
