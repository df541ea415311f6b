// One audio context for both directions, so that the browser's echo cancellation knows what it plays.

const BLOCKED_AFTER_MS = 500; // a context that may run does so within a few ms
const GESTURES = ["click", "keydown"];

/** Why this page cannot use audio at all: "insecure" or "unsupported"; null when it can. */
export function whyNoAudio() {
  if (!window.isSecureContext) return "insecure"; // worklets exist only over HTTPS, or on localhost
  return "AudioWorkletNode" in window ? null : "unsupported";
}

/** Creates the context. To be called directly from a click or key press: browsers keep it silent otherwise. */
export function createAudioContext() {
  return new AudioContext({ latencyHint: "interactive" });
}

/**
 * Loads the two processors and waits until the context runs. Browsers keep a page silent that nobody has touched since it
 * was loaded: `blocked()` is called then, and the next click or key press lets it run.
 */
export async function prepareAudioContext(context, blocked) {
  await Promise.all([
    context.audioWorklet.addModule(new URL("capture-worklet.js", import.meta.url)),
    context.audioWorklet.addModule(new URL("playback-worklet.js", import.meta.url)),
  ]);
  const resume = () => void context.resume().catch(() => {}); // rejects when the context is closed meanwhile
  const timer = setTimeout(blocked, BLOCKED_AFTER_MS);
  for (const gesture of GESTURES) addEventListener(gesture, resume);
  try {
    await context.resume();
  } finally {
    clearTimeout(timer);
    for (const gesture of GESTURES) removeEventListener(gesture, resume);
  }
}
