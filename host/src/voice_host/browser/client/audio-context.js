// One audio context for both directions, so that the browser's echo cancellation knows what is played.

const BLOCKED_AFTER_MS = 500; // a context that is allowed to run starts within a few ms
const FAILED_AFTER_MS = 3_000; // after a click or key press
// Not `keydown`: the page would go on before the key is released, and the click that a button then makes of it would come too late.
const GESTURES = ["click", "keyup"];

/** Why this page cannot use audio: "audio_insecure" or "audio_unsupported"; null if it can. */
export function noAudioReason() {
  if (!globalThis.isSecureContext) return "audio_insecure"; // worklets exist only over HTTPS, or on localhost
  return "AudioWorkletNode" in globalThis ? null : "audio_unsupported";
}

/** Creates the context. Call it directly from a click or key press, or browsers keep it silent. */
export function createAudioContext() {
  return new AudioContext({ latencyHint: "interactive" });
}

/**
 * Loads the two worklets and waits until the context runs. Browsers keep a page silent until it has had a user gesture:
 * `blocked()` is called then, and the next click or key press starts the context.
 */
export async function prepareAudioContext(context, blocked) {
  await Promise.all([
    context.audioWorklet.addModule(new URL("capture-worklet.js", import.meta.url)),
    context.audioWorklet.addModule(new URL("playback-worklet.js", import.meta.url)),
  ]);
  await running(context, blocked);
}

/**
 * Starts the context again whenever the system stops it during a call, as phones do for a telephone call. Where that needs a
 * user gesture, `blocked(true)` is called, and `blocked(false)` once it runs.
 */
export function keepRunning(context, blocked) {
  let isResuming = false;
  context.onstatechange = async () => {
    if (isResuming || context.state === "running" || context.state === "closed") return;
    isResuming = true;
    await running(context, () => blocked(true)).catch(() => {}); // closed meanwhile, or silent: the call goes on in writing
    isResuming = false;
    blocked(false);
  };
}

/** Rejects if the context does not run although it is allowed to, as in Firefox on a computer without any sound output. */
async function running(context, blocked) {
  let failed;
  const failure = new Promise((_, reject) => (failed = reject));
  const timers = [setTimeout(blocked, BLOCKED_AFTER_MS)];
  const resume = () => {
    if (!isAllowed()) return;
    context.resume().catch(() => {}); // rejects if the context is closed meanwhile
    timers.push(setTimeout(() => failed(new Error("the browser does not start its sound")), FAILED_AFTER_MS));
  };
  for (const gesture of GESTURES) addEventListener(gesture, resume, true);
  try {
    if (navigator.userActivation?.isActive) resume(); // called in a click or key press
    await Promise.race([context.resume(), failure]);
  } finally {
    timers.forEach(clearTimeout);
    for (const gesture of GESTURES) removeEventListener(gesture, resume, true);
  }
}

/** Whether the browser takes what the person just did for a gesture: Shift and Escape are none. */
function isAllowed() {
  return navigator.userActivation?.isActive ?? true; // older browsers do not tell
}
