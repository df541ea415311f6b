"""AssemblyAI: streaming speech-to-text and text-to-speech, two services with one key."""
