"""Short organic prompts in seven other languages and five scripts, written for this project.

They exist so that false accusations can be measured by script. No part of detection may see which was used.
"""

# ruff: noqa: RUF001 - Cyrillic letters are meant

PATTERNS: tuple[tuple[str, ...], ...] = (
    # Spanish
    (
        "{es_open} {es_verb} {es_thing} de {@person} {es_how}. {es_end}",
        "{es_open} {@person} quiere {es_thing} {es_how}, {number} puntos. {es_end}",
        "{es_open} {es_verb} {es_thing} de {@team} {es_how}; mira {@file}. {@person} {es_verb} {@table}. {es_end}",
    ),
    # German
    (
        "{de_open} {de_verb} {de_thing} von {@person} {de_how}. {de_end}",
        "{de_open} {@team} braucht {de_thing} {de_how}, {number} Zeilen. {de_end}",
        "{de_open} {de_verb} {de_thing} von {@team} {de_how}, siehe {@file}. {@person} fragt nach {@table}. {de_end}",
    ),
    # French
    (
        "{fr_open} {fr_verb} {fr_thing} de {@person} {fr_how}. {fr_end}",
        "{fr_open} {fr_thing} pour {@team} {fr_how}, {number} lignes. {fr_end}",
        "{fr_open} {fr_verb} {fr_thing} de {@team} {fr_how}, voir {@file}. {@person} attend {@table}. {fr_end}",
    ),
    # Japanese
    (
        "{@person}の{ja_thing}を{ja_how}{ja_verb}。{ja_end}",
        "{ja_thing}について{number}個{ja_how}{ja_verb}。{@person}。{ja_end}",
        "{@team}の{ja_thing}を{ja_how}{ja_verb}。{@file}と{@table}を見て、{@person}に{ja_verb}。{ja_end}",
    ),
    # Russian
    (
        "{ru_open} {ru_verb} {ru_thing} для {@person} {ru_how}. {ru_end}",
        "{ru_open} нужен {ru_thing} {ru_how}, {number} строк, {@person}. {ru_end}",
        "{ru_open} {ru_verb} {ru_thing} {@team} {ru_how}, файл {@file}. {@person} ждёт {@table}. {ru_end}",
    ),
    # Hindi
    (
        "{hi_open} {@person} के लिए {hi_thing} {hi_how} {hi_verb}। {hi_end}",
        "{hi_thing} पर {number} बातें {hi_how} {hi_verb}। {@person}",
        "{hi_open} {@team} की {hi_thing} {hi_how} {hi_verb}। {@file} देखो, {@person} को {@table} चाहिए। {hi_end}",
    ),
    # Arabic
    (
        "{ar_open} {ar_verb} {ar_thing} {ar_how} {@person}. {ar_end}",
        "{ar_verb} {number} نقاط عن {ar_thing} {ar_how}. {@person}",
        "{ar_open} {ar_verb} {ar_thing} {@team} {ar_how}، الملف {@file}. {@person} يريد {@table}. {ar_end}",
    ),
)
"""Patterns by language, 1 to 7; language 0 is English and uses `patterns`."""


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split("|"))


BANKS: dict[str, tuple[str, ...]] = {
    "es_open": _split("Hola,|Por favor|Necesito que|Oye,|Buenas,|Una duda:|Para mañana,|Otra vez,|Ayuda:"),
    "es_verb": _split("resume|corrige|traduce|explica|compara|mejora|ordena|revisa|acorta|redacta|calcula"),
    "es_thing": _split(
        "el informe|la carta|el código|la tabla|el plan|la receta|"
        "el contrato|la lista|el correo|el examen|el error"
    ),
    "es_how": _split(
        "en pocas palabras|con ejemplos|para niños|sin tecnicismos|"
        "paso a paso|en una tabla|para el jefe|antes del lunes"
    ),
    "es_end": _split("Gracias.|Sin prisa.|Eso es todo.|¿Qué falta?||"),
    "de_open": _split("Hallo,|Bitte|Kurze Frage:|Guten Morgen,|Noch etwas:|Für morgen:|Hilfe,|Wie gestern:"),
    "de_verb": _split("erkläre|kürze|prüfe|übersetze|ordne|verbessere|vergleiche|schreibe|berechne|ergänze"),
    "de_thing": _split(
        "den Bericht|die Tabelle|den Brief|das Skript|den Plan|die Liste|"
        "den Fehler|das Protokoll|den Vertrag|die Abfrage"
    ),
    "de_how": _split(
        "in einfachen Worten|mit Beispiel|Schritt für Schritt|als Tabelle|"
        "ohne Fachwörter|bis Freitag|für Kinder|sehr knapp"
    ),
    "de_end": _split("Danke!|Es eilt nicht.|Was fehlt?|Das wäre alles.||"),
    "fr_open": _split("Bonjour,|Merci de|Petite question :|Salut,|Pour demain,|Encore une fois,|À l'aide :"),
    "fr_verb": _split("résume|corrige|traduis|explique|compare|améliore|classe|relis|raccourcis|calcule"),
    "fr_thing": _split(
        "le rapport|la lettre|le code|le tableau|le plan|la liste|"
        "le contrat|l'erreur|la requête|le discours"
    ),
    "fr_how": _split(
        "en quelques mots|avec un exemple|pour débutants|"
        "étape par étape|sans jargon|avant lundi|en deux parties"
    ),
    "fr_end": _split("Merci.|Rien d'urgent.|C'est tout.|Que manque-t-il ?||"),
    "ja_thing": _split("報告書|手紙|コード|表|計画|一覧|契約書|エラー|問い合わせ|議事録|献立|論文|予算"),
    "ja_how": _split("簡単に|例を付けて|子供向けに|順番に|表にして|短く|丁寧に|専門用語なしで|明日までに"),
    "ja_verb": _split(
        "要約してください|直してください|翻訳して|説明してほしい|"
        "比べてください|並べ替えて|計算してください|書いてください"
    ),
    "ja_end": _split("よろしく。|ありがとう。|急ぎません。|以上です。||"),
    "ru_open": _split("Здравствуйте,|Пожалуйста,|Вопрос:|Привет,|На завтра:|Ещё раз:|Помогите,"),
    "ru_verb": _split("объясни|сократи|проверь|переведи|сравни|улучши|напиши|посчитай|упорядочи"),
    "ru_thing": _split("отчёт|письмо|код|таблицу|план|список|договор|запрос|протокол|рецепт|ошибку"),
    "ru_how": _split(
        "простыми словами|с примером|по шагам|без терминов|"
        "кратко|для детей|до пятницы|в две части"
    ),
    "ru_end": _split("Спасибо.|Не срочно.|Это всё.|Чего не хватает?||"),
    "hi_open": _split("नमस्ते,|कृपया|एक सवाल:|फिर से,|कल के लिए,|मदद:"),
    "hi_thing": _split("रिपोर्ट|पत्र|कोड|तालिका|योजना|सूची|अनुबंध|निबंध|बजट|पाठ"),
    "hi_how": _split("सरल शब्दों में|उदाहरण के साथ|छोटा|क्रम से|बच्चों के लिए|दो भागों में|जल्दी"),
    "hi_verb": _split("समझाओ|लिखो|जाँचो|अनुवाद करो|सुधारो|बताओ|जोड़ो"),
    "hi_end": _split("धन्यवाद।|बस इतना।|जल्दी नहीं।||"),
    "ar_open": _split("مرحبا،|من فضلك|سؤال:|مرة أخرى،|للغد،|ساعدني:"),
    "ar_verb": _split("اشرح|لخص|ترجم|صحح|قارن|رتب|اكتب|احسب"),
    "ar_thing": _split("التقرير|الرسالة|الكود|الجدول|الخطة|القائمة|العقد|الخطأ|الدرس|الميزانية"),
    "ar_how": _split("بكلمات بسيطة|مع مثال|خطوة بخطوة|باختصار|للأطفال|في جدول|قبل الاثنين"),
    "ar_end": _split("شكرا.|لا عجلة.|هذا كل شيء.||"),
}  # fmt: skip
