"""Finding and loading extensions, and what is said about those that are wrong."""

import pytest

from tests.plugins.offers import VOICE, broken, load, loaded, outcomes
from tests.sample_plugins import PluginFolder
from voice_host.plugins import HOST_EXTENSION, BrokenExtension, Extensions, ExtensionsBroken, Phase
from voice_host_sdk import Connection

IMPORTS = "from voice_host_sdk import Caller, SessionObserver, extensionimpl\n"
HOOK = f"{IMPORTS}@extensionimpl\n"
DOOR = (
    IMPORTS
    + """
class Door:
    def __init__(self, settings):
        self.settings = settings
    async def authenticate(self, connection):
        return Caller(self.settings["realm"])

@extensionimpl
def authenticator(settings):
    return Door(settings)
"""
)


def test_without_extensions_there_are_the_services_of_the_host(plugins: PluginFolder) -> None:
    [own] = Extensions(outcomes().values()).loaded
    assert own.id == HOST_EXTENSION
    assert set(own.speech_to_text) == {"assemblyai", "embedded"}
    assert set(own.text_to_speech) == {"orpheus", "assemblyai", "embedded"}
    assert (own.authenticator, own.observer, own.register_routes) == (None, None, None)


async def test_hooks_collect_and_each_extension_gets_its_own_settings(plugins: PluginFolder) -> None:
    plugins.install_extension("b-door", DOOR)
    plugins.install_extension("a-door", DOOR)
    found = Extensions(outcomes(a_door__realm="one", b_door__realm="two").values())
    assert list(found.authenticators) == ["a-door", "b-door"]
    callers = [await each.authenticate(Connection("desk", "/")) for each in found.authenticators.values()]
    assert [getattr(caller, "identity", None) for caller in callers] == ["one", "two"]
    with pytest.raises(TypeError):
        found.authenticators["a-door"].settings["realm"] = "x"  # type: ignore[attr-defined]


def test_an_object_with_methods_is_an_extension_too(plugins: PluginFolder) -> None:
    code = IMPORTS + "class Own:\n    @extensionimpl\n    def register_routes(self, app): ...\nown = Own()"
    plugins.install_extension("own", code, attribute="own")
    assert loaded("own").register_routes is not None


def test_a_hook_may_offer_nothing(plugins: PluginFolder) -> None:
    plugins.install_extension("shy", HOOK + "def session_observer(settings):\n    return None")
    assert loaded("shy").observer is None


def test_what_the_allow_list_leaves_out_is_not_imported(plugins: PluginFolder) -> None:
    plugins.install_extension("bad", "raise RuntimeError('imported')")
    plugins.install_extension("good", VOICE)
    assert set(load({"VOICE_HOST_EXTENSIONS__ALLOW": "good"})) == {HOST_EXTENSION, "good"}


def test_what_the_allow_list_names_must_be_installed(plugins: PluginFolder) -> None:
    plugins.install_extension("front-door", DOOR)
    outcome = load({"VOICE_HOST_EXTENSIONS__ALLOW": "front-doer"})["front-doer"]
    assert isinstance(outcome, BrokenExtension)
    assert outcome.phase == Phase.DISCOVERED
    named = "VOICE_HOST_EXTENSIONS__ALLOW names it, but it is not installed; did you mean 'front-door'?"
    assert str(outcome) == f"the extension 'front-doer' was not discovered: {named}"


@pytest.mark.parametrize(
    ("code", "phase", "error", "hint"),
    [
        ("import sys; sys.exit(3)", "imported", "it called sys.exit(3)", ""),
        ("x = 1", "registered", "it has no hook", "mark a function with @extensionimpl"),
        (
            HOOK + "def authenticatr(): ...",
            "registered",
            "no hook 'authenticatr'",
            "'authenticator'",
        ),
        (
            HOOK + "async def authenticator(): ...",
            "registered",
            "`async def`",
            "a method of the object",
        ),
        (IMPORTS + "def authenticator(): ...", "registered", "authenticator is not marked", "put @extensionimpl"),
        (
            HOOK + "def authenticator(x): ...",
            "registered",
            "the argument 'x'",
            "`settings` and `app`",
        ),
        (DOOR, "configured", "", ""),
        (DOOR.replace("return Door(settings)", "return Door"), "configured", "the class Door", "`Door()`"),
        (DOOR.replace("return Door(settings)", "return 5"), "configured", "returned an int", ""),
        (
            DOOR.replace("async def auth", "def auth"),
            "configured",
            "is a plain `def`",
            "write `async def authenticate`",
        ),
        (DOOR.replace("return Door", "return settings['no'], Door"), "configured", "KeyError: 'no'", ""),
        (HOOK + "def session_observer(): return 5", "configured", "returned an int", "derive"),
        (
            IMPORTS
            + "class O(SessionObserver):\n    def on_error(self, s, e): ...\n"
            + "@extensionimpl\ndef session_observer(): return O()",
            "configured",
            "O.on_error is a plain `def`",
            "write `async def on_error`",
        ),
        (VOICE.replace(": Voice}", ": Voice()}"), "configured", "'beep' leads to a Voice", "return {'beep': lambda"),
        (VOICE.replace("{settings", "Voice() or {settings"), "configured", "returned a Voice", "{'Beep': lambda: the"),
        (VOICE.replace('"beep"', '"auto"'), "configured", "'auto' is not a name for a service", "not 'auto'"),
    ],
)
def test_mistakes(plugins: PluginFolder, code: str, phase: str, error: str, hint: str) -> None:
    plugins.install_extension("wrong", code)
    plugins.install_extension("zebra", VOICE.replace('"beep"', '"zebra"'))
    if code == DOOR:  # nothing is wrong with it: the others are changed copies
        assert loaded("wrong").authenticator is not None
        return
    outcome = broken("wrong")
    assert str(outcome.phase) == phase
    assert error in outcome.error
    assert hint in (outcome.hint or "")
    assert loaded("zebra")  # the one after it is loaded all the same


def test_an_error_says_where_and_shows_no_secret(plugins: PluginFolder) -> None:
    module = plugins.install_extension(
        "loud", DOOR.replace("return Door(settings)", "raise ValueError(settings['token'])")
    )
    outcome = broken("loud", loud__token="the-secret")
    assert "the-secret" not in str(outcome)
    assert f"{module}/__init__.py:11" in str(outcome)
    assert "1.2.3 was not configured: authenticator failed: ValueError" in str(outcome)


def test_an_sdk_of_another_version_is_refused_before_the_import(plugins: PluginFolder) -> None:
    plugins.install_extension("new", "raise RuntimeError('imported')", requires=("voice-host-sdk>=2",))
    assert broken("new").phase == Phase.COMPATIBLE


def test_names_that_are_taken_or_invalid_are_refused(plugins: PluginFolder) -> None:
    plugins.install_extension("twice", DOOR, distribution="one")
    plugins.install_extension("twice", DOOR, distribution="two")
    plugins.install_extension("Loud", DOOR)
    plugins.install_extension(HOST_EXTENSION, DOOR)
    found = load({})
    assert "taken more than once: by one and two" in str(found["twice"])
    assert "is not an extension's name" in str(found["Loud"])


def test_two_extensions_that_name_a_service_alike_are_both_refused(plugins: PluginFolder) -> None:
    plugins.install_extension("one", VOICE)
    plugins.install_extension("two", VOICE)
    plugins.install_extension("third", VOICE.replace('"beep"', '"embedded"'))
    with pytest.raises(ExtensionsBroken) as caught:
        Extensions(outcomes().values())
    told = {each.id: each.error for each in caught.value.broken}
    assert told == {
        "one": "the text-to-speech service 'beep' is offered more than once: by 'one' and 'two'",
        "two": "the text-to-speech service 'beep' is offered more than once: by 'one' and 'two'",
        "third": "the text-to-speech service 'embedded' is offered more than once: by 'voice-host' and 'third'",
    }
