// One audio context for both directions, so that the browser's echo cancellation knows what it plays.

/** Whether this page may use audio at all: worklets exist only in a secure context (HTTPS, or this very machine). */
export function audioIsAvailable() {
  return window.isSecureContext && "AudioWorkletNode" in window;
}

/** Creates the context. To be called directly from a click or key press: browsers keep it silent otherwise. */
export function createAudioContext() {
  return new AudioContext({ latencyHint: "interactive" });
}

/** Loads the two processors and waits until the context runs. */
export async function prepareAudioContext(context) {
  await Promise.all([
    context.audioWorklet.addModule(new URL("capture-worklet.js", import.meta.url)),
    context.audioWorklet.addModule(new URL("playback-worklet.js", import.meta.url)),
    context.resume(),
  ]);
}
