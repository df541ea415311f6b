"""What `voice-host serve` says when it starts: where to go, who answers, and over which services."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from voice_host.server.host import Host

EMBEDDED_NOTICE = (
    "Demo speech on this machine: English, one close microphone, a quiet room, short everyday sentences. "
    "Set ASSEMBLYAI_API_KEY and ASSEMBLYAI_TTS_API_KEY for the cloud services."
)
DEMO_MODEL_NOTICE = (
    "No language model is configured for {agents}: answers are found by matching words. "
    "Set VOICE_HOST_MODEL (e.g. ollama:qwen3, openai:gpt-4.1-mini) or ASSEMBLYAI_API_KEY."
)


def print_banner(host: Host, url: str, console: Console) -> None:
    """Print the start-up output."""
    table = Table(box=None, pad_edge=False, show_header=True, header_style="bold")
    for column in ("agent", "status", "model", "package"):
        table.add_column(column, overflow="fold")
    demo: list[str] = []
    for agent in host.describe():
        ready = agent["status"] == "ready"
        model = agent["providers"]["model"] if ready else ""
        if model == "demo":
            demo.append(agent["id"])
        status = Text("ready", "green") if ready else Text(f"broken ({agent['phase']}): {agent['error']}", "red")
        table.add_row(agent["id"], status, model, f"{agent['distribution']} {agent['version']}")
    console.print(Text.assemble("Talk to your agents at ", (url, "bold cyan"), "   (Ctrl-C stops the host)"))
    names = host.speech_names
    console.print(f"speech-to-text: [bold]{names['stt']}[/]   text-to-speech: [bold]{names['tts']}[/]\n")
    if host.agents:
        console.print(table)
    else:
        console.print("No agents are installed. Install one with pip, or begin with the tutorial in docs/.")
    if "embedded" in names.values():
        console.print(Text(f"\n{EMBEDDED_NOTICE}", "yellow"))
    if demo:
        console.print(Text(DEMO_MODEL_NOTICE.format(agents=", ".join(demo)), "yellow"))
