"""The HTTP routes against their own description, with and without authentication."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import httpx2
import pytest
import schemathesis
from hypothesis import given
from hypothesis.errors import FailedHealthCheck, Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from tests.front.test_authorization import TOML, bearer, key_for
from tests.fuzz.hosts import hosted
from tests.fuzz.profile import inputs
from voice_host.auth.api_keys import SCOPES

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
)

OPERATIONS = [
    "DELETE /agents/{agent_id}/calls/{call_id}",
    "GET /agents",
    "GET /agents/{agent_id}/calls",
    "GET /agents/{agent_id}/calls/{call_id}",
    "GET /health",
    "GET /ready",
    "POST /agents/{agent_id}/calls",
    "POST /agents/{agent_id}/restart",
    "POST /agents/{agent_id}/tokens",
    "POST /v1/realtime/client_secrets",
]


@pytest.fixture(scope="module", params=["open", "nobody", "key without the scope", "key"])
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[schemathesis.BaseSchema]:
    """What the host says about itself, and who asks."""
    folder = tmp_path_factory.mktemp("hosted")
    every_key = key_for(folder, *SCOPES)
    shown = {"key": every_key, "key without the scope": key_for(folder, "calls")}.get(request.param)
    with hosted(folder, "" if request.param == "open" else TOML) as address:
        described = httpx2.get(f"{address}/openapi.json", headers=bearer(every_key)).json()
        for parameter in described["paths"]["/agents/{agent_id}/tokens"]["post"]["parameters"]:
            parameter["schema"] |= {"enum": ["hello", "hello", "sick", "nobody"]}  # chance would never find one
        secret = described["paths"]["/v1/realtime/client_secrets"]["post"]["requestBody"]["content"]["application/json"]
        secret["schema"]["properties"]["session"]["properties"]["model"]["enum"] = ["hello", "sick", "nobody"]
        schema = schemathesis.openapi.from_dict(described)
        schema.config.update(base_url=address, headers=bearer(shown))
        yield schema


def test_every_route_is_tried(api: schemathesis.BaseSchema) -> None:
    assert sorted(found.ok().label for found in api.get_all_operations()) == OPERATIONS


def test_what_it_refers_to_is_there(api: schemathesis.BaseSchema) -> None:
    named = set(re.findall(r'"\$ref": "#/components/schemas/(\w+)"', json.dumps(api.raw_schema)))
    assert named <= api.raw_schema["components"]["schemas"].keys()
    assert json.dumps(api.raw_schema).count('"$ref"') == json.dumps(api.raw_schema).count('"#/components/schemas/')


@pytest.mark.parametrize("fits", [True, False], ids=["as described", "not as described"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_route_does_what_it_says(api: schemathesis.BaseSchema, operation: str, fits: bool) -> None:
    method, _, path = operation.partition(" ")
    mode = GenerationMode.POSITIVE if fits else GenerationMode.NEGATIVE
    requests = api[path][method].as_strategy(generation_mode=mode)

    @inputs(25)
    @given(case=requests)
    def ask(case: schemathesis.Case) -> None:
        case.call_and_validate(checks=CHECKS)

    try:
        ask()
    except (Unsatisfiable, FailedHealthCheck):
        assert not fits  # a route that takes nothing but names in its path cannot be asked wrongly
        assert operation not in ("POST /agents/{agent_id}/tokens", "POST /v1/realtime/client_secrets")
