"""The report as PDF/A-2b, typeset by typst without a network.

All content is handed over as data: typst shows strings as they are and never runs what stands in them.
"""

import json
from datetime import datetime
from importlib.resources import as_file, files

from stillwatch.errors import EnvironmentFault
from stillwatch.evidence.report.content import Content


def pdf_report(said: Content, *, at: datetime) -> bytes:
    """The document, dated `at`; equal content gives equal bytes with one release of typst.

    Raises:
        EnvironmentFault: typst is not installed.
    """
    try:
        import typst
    except ImportError as error:
        raise EnvironmentFault(
            "the PDF needs typst: install it with `pip install 'stillwatch[report]'`, or say --no-pdf"
        ) from error
    with as_file(files("stillwatch.evidence.report") / "report.typ") as template:
        made = typst.compile(
            str(template), sys_inputs={"data": json.dumps(said)}, pdf_standards="a-2b", ignore_system_fonts=True,
            timestamp=int(at.timestamp()),
        )  # fmt: skip
    assert isinstance(made, bytes)
    return made
