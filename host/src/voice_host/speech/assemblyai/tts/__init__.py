"""Text-to-speech by AssemblyAI's own voice."""

from voice_host.speech.assemblyai.tts.adapter import AssemblyAITextToSpeech, AssemblyAIVoiceStream

__all__ = ["AssemblyAITextToSpeech", "AssemblyAIVoiceStream"]
