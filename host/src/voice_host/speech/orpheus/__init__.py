"""Text-to-speech by the Orpheus model as Baseten serves it."""
