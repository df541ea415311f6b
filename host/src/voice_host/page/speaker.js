// The agent's voice: PCM16 from the host in, sound out, and an account of what was really played.

import { Resampler } from "./resampler.js";

export class Speaker {
  #context;
  #node;
  #handlers;
  #rate;
  #resampler;
  #reply = null;
  #epoch = 0;

  /** What was really played. Tests and curious people read it: see `window.voiceHost` in talk.js. */
  facts = { playing: false, playedMs: 0, peak: 0, peakOfReply: {}, underruns: 0, overflowSamples: 0, drops: 0, holds: 0 };

  /**
   * `rate` in Hz is that of the audio the host sends. Handlers: `started(reply)`, `played(reply, ms, held)`,
   * `finished(reply)`.
   * The context must have the playback worklet loaded (see audio-context.js).
   */
  constructor(context, rate, handlers) {
    this.#context = context;
    this.#rate = rate;
    this.#handlers = handlers;
    this.#resampler = new Resampler(rate, context.sampleRate);
    this.#node = new AudioWorkletNode(context, "voice-host-playback", { numberOfInputs: 0, outputChannelCount: [1] });
    this.#node.port.onmessage = ({ data }) => this.#onReport(data);
    this.#node.connect(context.destination);
  }

  /** Queues PCM16 mono at the call's rate. */
  play(reply, pcm) {
    if (reply !== this.#reply) this.#restartFilter(reply);
    const whole = pcm.byteLength - (pcm.byteLength % 2); // half a sample at the end is a fault of the host: not fatal
    const samples = Float32Array.from(new Int16Array(pcm.slice(0, whole)), (value) => value / 32768);
    this.#queue(reply, this.#resampler.push(samples));
  }

  /** Says that all audio of a reply has been queued. */
  end(reply) {
    if (reply === this.#reply) this.#queue(reply, this.#resampler.finish());
    this.#restartFilter(null);
    this.#node.port.postMessage({ end: reply });
  }

  /** Falls silent at once and keeps what was queued, until `release()`. */
  hold() {
    this.#node.port.postMessage({ hold: true });
    this.facts.holds += 1;
  }

  /** Goes on where it fell silent. */
  release() {
    this.#node.port.postMessage({ hold: false });
  }

  /** Falls silent at once and forgets what was queued. */
  drop() {
    this.#epoch += 1;
    this.#restartFilter(null);
    this.#node.port.postMessage({ drop: this.#epoch });
    if (this.facts.playing) this.facts.drops += 1;
    this.facts.playing = false;
  }

  close() {
    this.drop();
    this.#node.port.onmessage = null;
    this.#node.disconnect();
  }

  #restartFilter(reply) {
    this.#reply = reply;
    this.#resampler = new Resampler(this.#rate, this.#context.sampleRate);
  }

  #queue(reply, samples) {
    if (samples.length > 0) this.#node.port.postMessage({ reply, samples }, [samples.buffer]);
  }

  #onReport({ type, epoch, reply, playedMs, peak, samples }) {
    if (epoch !== this.#epoch) return; // sent before the last drop
    if (type === "underrun") this.facts.underruns += 1;
    if (type === "overflow") this.facts.overflowSamples += samples;
    if (type === "started") {
      this.facts.playing = true;
      this.#handlers.started(reply);
    }
    if (!["played", "held", "finished"].includes(type)) return;
    Object.assign(this.facts, { playing: type !== "finished", playedMs, peak: Math.max(this.facts.peak, peak) });
    this.facts.peakOfReply[reply] = peak;
    // What was rendered is audible only after the way through the sound card. Of a pause the end is told.
    const latencyMs = type !== "played" ? 0 : 1000 * (this.#context.outputLatency || this.#context.baseLatency || 0);
    this.#handlers.played(reply, Math.max(0, Math.round(playedMs - latencyMs)), type === "held");
    if (type === "finished") this.#handlers.finished(reply);
  }
}
