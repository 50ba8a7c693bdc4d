"""Calls generated from the OpenAPI document: none is a server error, and every answer has the form that is promised."""

import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from stillwatch.model.role import Role
from tests.api.served import Served

CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]
STREAMS = ("/v1/events",)
"""Routes that answer for as long as somebody listens."""


def test_no_generated_call_is_a_server_error_and_answers_have_the_promised_form(found: Served) -> None:
    described = found[Role.ADMIN].get("/openapi.json").json()
    document = schemathesis.openapi.from_dict(described).exclude(path=list(STREAMS))
    headers = {"x-stillwatch-key": found.keys[Role.ADMIN]}
    faults: dict[str, str] = {}
    n_operations = 0
    for result in document.get_all_operations():
        operation = result.ok()
        n_operations += 1

        @settings(max_examples=8, derandomize=True, deadline=None, database=None,
                  suppress_health_check=list(HealthCheck))  # fmt: skip
        @given(case=operation.as_strategy())
        def call(case: schemathesis.Case) -> None:
            case.call_and_validate(base_url=found.url, headers=headers, checks=CHECKS)

        try:
            call()
        except (AssertionError, BaseExceptionGroup) as error:  # every operation is told, not the first alone
            faults[operation.label] = str(error)[:600]
    assert n_operations == sum(map(len, described["paths"].values())) - len(STREAMS) > 70
    assert not faults, "\n\n".join(f"{label}: {fault}" for label, fault in faults.items())
