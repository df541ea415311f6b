"""Speech-to-text by AssemblyAI's streaming service, version 3."""

from voice_host.speech.assemblyai.stt.adapter import AssemblyAISpeechToText, AssemblyAIStream

__all__ = ["AssemblyAISpeechToText", "AssemblyAIStream"]
