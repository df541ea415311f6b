"""Language models: choosing one for an agent, the LLM gateway, fallbacks, and the demo model."""

from voice_host.models.demo import demo_model
from voice_host.models.errors import ModelConfigError, ModelKeyRefusedError, describe_model_error, log_model_error
from voice_host.models.request_settings import model_request_settings
from voice_host.models.select import ModelRegistry, ResolvedModel

__all__ = [
    "ModelConfigError",
    "ModelKeyRefusedError",
    "ModelRegistry",
    "ResolvedModel",
    "demo_model",
    "describe_model_error",
    "log_model_error",
    "model_request_settings",
]
