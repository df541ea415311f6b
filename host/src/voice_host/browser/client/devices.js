// The microphones and loudspeakers of this computer.

/**
 * `{ microphones, speakers }`, each a list of `{ id, label }`. Browsers hide labels, and all but one device of a kind, until
 * the page may use the microphone. `speakers` is empty where a page cannot choose one.
 */
export async function listDevices() {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  const ofKind = (kind) =>
    devices.filter((device) => device.kind === kind).map(({ deviceId, label }) => ({ id: deviceId, label }));
  return { microphones: ofKind("audioinput"), speakers: canChooseSpeaker() ? ofKind("audiooutput") : [] };
}

/** Calls `listener(devices)` when a device is connected or removed. Returns a function that stops it. */
export function watchDevices(listener) {
  const changed = () => void listDevices().then(listener);
  navigator.mediaDevices?.addEventListener("devicechange", changed);
  return () => navigator.mediaDevices?.removeEventListener("devicechange", changed);
}

export function canChooseSpeaker() {
  return "AudioContext" in globalThis && "setSinkId" in AudioContext.prototype;
}
