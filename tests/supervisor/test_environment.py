"""Which of the host's environment variables the worker of an agent gets."""

from __future__ import annotations

import re
from pathlib import Path

import pydantic_ai.providers
import pytest

from voice_host.fleet.report import AgentReport
from voice_host.settings import Settings, load_settings
from voice_host.supervisor.environment import base_environment, keys_for, variables_for, with_hint

ENVIRON = {
    "PATH": "/bin",
    "HTTPS_PROXY": "http://proxy:3128",
    "SSL_CERT_FILE": "/etc/ca.pem",
    "LC_ALL": "C",
    "OPENAI_API_KEY": "o",
    "ANTHROPIC_API_KEY": "a",
    "GOOGLE_API_KEY": "g",
    "GOOGLE_APPLICATION_CREDENTIALS": "/etc/google.json",
    "AWS_SECRET_ACCESS_KEY": "aws",
    "CRM_TOKEN": "crm",
    "SENTRY_DSN": "sentry",
    "VOICE_HOST_AGENT__OTHER__SETTINGS__TOKEN": "other",
    "VOICE_HOST_AUTH__TOKEN_SECRET": "s" * 32,
    "VOICE_HOST_TOKEN": "t",
    "ASSEMBLYAI_API_KEY": "assemblyai",
    "ASSEMBLYAI_TTS_API_KEY": "orpheus",
    "VOICE_HOST_LLM_API_KEY": "llm",
}


def settings_of(folder: Path, toml: str, **environ: str) -> Settings:
    file = folder / "voice-host.toml"
    file.write_text(toml, encoding="utf-8")
    return load_settings(file, ENVIRON | environ)


def passed(folder: Path, toml: str = "", **environ: str) -> set[str]:
    return set(variables_for(settings_of(folder, toml, **environ), "desk", ENVIRON))


def test_what_processes_are_started_with_holds_no_keys() -> None:
    assert base_environment(ENVIRON).keys() - {"OPENBLAS_NUM_THREADS"} == {
        *("PATH", "HTTPS_PROXY", "SSL_CERT_FILE", "LC_ALL")
    }


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        ("", {"OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY"}),  # any model is allowed
        ('[agents]\nallowed_models = ["*"]\n', {"OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY"}),
        ('[agents]\nallowed_models = ["openai:gpt-4.1-*"]\n', {"OPENAI_API_KEY"}),
        ('[agents]\nallowed_models = ["openai-responses:gpt-5"]\n', {"OPENAI_API_KEY"}),
        ('[agents]\nallowed_models = ["openai*"]\n', {"OPENAI_API_KEY"}),
        ('[agents]\nallowed_models = ["claude-haiku-*"]\n', set()),  # the gateway's
        ("[agents]\nallowed_models = []\n", set()),
        ('[agents]\nallowed_models = ["bedrock:*"]\n', {"AWS_SECRET_ACCESS_KEY"}),
        (
            '[agents]\nallowed_models = ["google-cloud:gemini*"]\n',
            {"GOOGLE_API_KEY", "GOOGLE_APPLICATION_CREDENTIALS"},
        ),
        (
            '[agents]\nallowed_models = ["openai:*"]\n[agent.desk]\nallowed_models = ["anthropic:*"]\n',
            {"ANTHROPIC_API_KEY"},
        ),
        (
            '[agent.desk]\nmodel = "openai:gpt-4.1"\nfallback_models = ["anthropic:claude"]\n',
            {"OPENAI_API_KEY", "ANTHROPIC_API_KEY"},
        ),
        ('[agent.desk]\nmodel = "openai:gpt-4.1"\nfallback_models = []\n', {"OPENAI_API_KEY"}),
        ('[agents]\nallowed_models = []\npass_env = ["SENTRY_*"]\n', {"SENTRY_DSN"}),
        (
            '[agents]\nallowed_models = []\npass_env = ["SENTRY_*"]\n[agent.desk]\npass_env = ["CRM_TOKEN"]\n',
            {"SENTRY_DSN", "CRM_TOKEN"},
        ),
        ('[agents]\nallowed_models = []\n[agent.other]\npass_env = ["CRM_TOKEN"]\nmodel = "openai:x"\n', set()),
    ],
)
def test_an_agent_gets_the_keys_of_models_it_may_use_and_what_is_passed(
    tmp_path: Path, toml: str, expected: set[str]
) -> None:
    assert passed(tmp_path, toml) == expected


def test_nothing_of_the_host_s_own_is_passed_even_if_everything_is(tmp_path: Path) -> None:
    found = passed(tmp_path, '[agents]\npass_env = ["*"]\n')
    assert "CRM_TOKEN" in found
    assert [name for name in found if name.startswith("VOICE_HOST_")] == []


def test_the_platform_s_model_counts_rather_than_what_agents_may_ask_for(tmp_path: Path) -> None:
    assert passed(tmp_path, "[agent.desk]\nfallback_models = []\n", VOICE_HOST_MODEL="anthropic:claude") == {
        "ANTHROPIC_API_KEY"
    }


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        ("", {"ASSEMBLYAI_API_KEY", "ASSEMBLYAI_TTS_API_KEY", "VOICE_HOST_LLM_API_KEY"}),
        (
            '[agent.desk]\nmodel = "openai:x"\nfallback_models = []\n',
            {"ASSEMBLYAI_API_KEY", "ASSEMBLYAI_TTS_API_KEY"},
        ),
        (
            '[providers]\nspeech_to_text = "embedded"\ntext_to_speech = "orpheus"\n'
            '[agents]\nallowed_providers = []\n[agent.desk]\nmodel = "openai:x"\nfallback_models = []\n',
            {"ASSEMBLYAI_TTS_API_KEY"},
        ),
        (
            '[providers]\nspeech_to_text = "embedded"\ntext_to_speech = "embedded"\n'
            '[agents]\nallowed_providers = []\n[agent.desk]\nmodel = "claude-x"\n',
            {"ASSEMBLYAI_API_KEY", "VOICE_HOST_LLM_API_KEY"},
        ),
    ],
)
def test_the_host_s_code_gets_the_keys_of_services_that_the_agent_may_use(
    tmp_path: Path, toml: str, expected: set[str]
) -> None:
    assert set(keys_for(settings_of(tmp_path, toml), "desk")) == expected


def test_the_variables_of_every_model_provider_are_known() -> None:
    folder = Path(pydantic_ai.providers.__file__).parent
    read = re.compile(r"(?:environ(?:\.get)?[\[(]|getenv\()\s*['\"]([A-Z][A-Z0-9_]+)")
    found = {
        name: variables
        for file in sorted(folder.glob("[a-z]*.py"))
        if (variables := set(read.findall(file.read_text(encoding="utf-8")))) and (name := file.stem.replace("_", "-"))
    }
    assert len(found) > 20
    unknown = {}
    for provider, variables in found.items():
        settings = Settings.model_validate({"agents": {"allowed_models": [f"{provider}:*"]}})
        if missing := variables - set(variables_for(settings, "desk", dict.fromkeys(variables, "x"))):
            unknown[provider] = missing
    assert unknown == {}


@pytest.mark.parametrize(
    ("error", "given", "named"),
    [
        ("importing 'desk' failed: KeyError: 'CRM_TOKEN'", {}, True),
        ("KeyError: 'CRM_TOKEN'", {"CRM_TOKEN": "crm"}, False),
        ("KeyError: 'UNKNOWN'", {}, False),
        ("it is something else", {}, False),
    ],
)
def test_a_variable_that_an_agent_misses_is_named(error: str, given: dict[str, str], named: bool) -> None:
    hint = with_hint(AgentReport(id="desk", status="broken", error=error), given, ENVIRON).hint
    assert (hint is not None and "CRM_TOKEN" in hint) == named
