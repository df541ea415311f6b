// The browser's microphone, as frames of PCM16 at the rate of the call.

const FRAME_S = 0.02;
const NOT_CONNECTED = new Set(["OverconstrainedError", "NotFoundError"]);
const SILENT_FRAMES = 250; // 5 s: some headsets begin with seconds of silence

export class Microphone {
  #stream;
  #source = null;
  #node = null;
  #silentFrames = 0; // all samples of these were zero; null once there was a sound

  /** Frames sent so far; for tests and debugging. */
  frames = 0;

  constructor(stream) {
    this.#stream = stream;
  }

  /**
   * Asks the browser for a microphone. `device` is an id, or null for the browser's choice. If it is not connected, another one is
   * opened unless `exact`. Rejects with the browser's error, see `microphoneError` in errors.js.
   */
  static async open(device = null, { exact = false } = {}) {
    if (!navigator.mediaDevices) throw new DOMException("not a secure context", "SecurityError");
    const audio = { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true };
    const open = async (which) => new Microphone(await navigator.mediaDevices.getUserMedia({ audio: { ...audio, ...which } }));
    if (device === null) return await open({});
    try {
      // Chromium may take another one that is connected if the id is only `ideal`.
      return await open({ deviceId: { exact: device } });
    } catch (error) {
      if (exact || !NOT_CONNECTED.has(error.name)) throw error;
      return await open({});
    }
  }

  /** The device in use: `{ id, label }`. */
  get device() {
    const track = this.#stream.getAudioTracks()[0];
    return { id: track.getSettings().deviceId ?? "", label: track.label };
  }

  /**
   * Starts sending. `rate` in Hz. Handlers: `frame(arrayBuffer, level)` with a level from 0 to 1, `silent(isSilent)` when no sound
   * comes from the device, or comes again, and `lost()` when it is disconnected. The context must have the capture worklet loaded
   * (see audio-context.js).
   */
  start(context, rate, handlers) {
    this.#source = context.createMediaStreamSource(this.#stream);
    this.#node = new AudioWorkletNode(context, "voice-host-capture", {
      numberOfOutputs: 0,
      channelCount: 1,
      channelCountMode: "explicit", // a stereo microphone is mixed down by the browser
      processorOptions: { targetRate: rate, frameSamples: Math.round(rate * FRAME_S) },
    });
    this.#node.port.onmessage = ({ data }) => {
      this.frames += 1;
      handlers.frame(data.pcm, data.level);
      this.#listen(data.level, handlers.silent);
    };
    const track = this.#stream.getAudioTracks()[0];
    track.onended = handlers.lost;
    track.onmute = () => handlers.silent(true); // by the system, as for a telephone call
    track.onunmute = () => handlers.silent(false);
    if (track.readyState === "ended") queueMicrotask(handlers.lost); // disconnected before the call was ready
    this.#source.connect(this.#node);
  }

  get muted() {
    return !this.#stream.getAudioTracks()[0].enabled;
  }

  /** A muted microphone sends silence, so that the host detects the end of the turn. */
  set muted(muted) {
    this.#stream.getAudioTracks()[0].enabled = !muted;
    if (this.#silentFrames !== null) this.#silentFrames = 0;
  }

  close() {
    if (this.#node) this.#node.port.onmessage = null;
    this.#source?.disconnect();
    for (const track of this.#stream.getTracks()) {
      track.onended = track.onmute = track.onunmute = null;
      track.stop();
    }
  }

  /** Notices a device that is switched off: of one that works, even in a quiet room, some samples are not zero. */
  #listen(level, silent) {
    if (this.#silentFrames === null || this.muted) return;
    const wasTold = this.#silentFrames >= SILENT_FRAMES;
    this.#silentFrames = level > 0 ? null : this.#silentFrames + 1;
    if (this.#silentFrames === SILENT_FRAMES) silent(true);
    else if (this.#silentFrames === null && wasTold) silent(false);
  }
}
