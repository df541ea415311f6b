"""A kit for testing voice agents: whole calls in virtual time, without keys, microphones or services.

The fixtures for pytest are in `voice_host.testing.fixtures`.
"""

from voice_host.testing.agent import CallOptions, ModelSource, TestAgent, call_agent, serve_agent
from voice_host.testing.call import TestCall
from voice_host.testing.model import Asked, CallTool, Fail, Say, ScriptedModel, Think
from voice_host.testing.phone import TestCarrier
from voice_host.testing.recorder import SeenCallback
from voice_host.testing.reply import CallEnd, Reply
from voice_host.testing.session import TestSession
from voice_host.testing.sources import AgentBroken, AgentSource
from voice_host.testing.virtual_time import VirtualTimeUp, in_virtual_time, run_in_virtual_time

__all__ = [
    "AgentBroken",
    "AgentSource",
    "Asked",
    "CallEnd",
    "CallOptions",
    "CallTool",
    "Fail",
    "ModelSource",
    "Reply",
    "Say",
    "ScriptedModel",
    "SeenCallback",
    "TestAgent",
    "TestCall",
    "TestCarrier",
    "TestSession",
    "Think",
    "VirtualTimeUp",
    "call_agent",
    "in_virtual_time",
    "run_in_virtual_time",
    "serve_agent",
]
