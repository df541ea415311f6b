// Plays the agent's voice: PCM16 from the host in, audio out, and reports of what was played.

import { Resampler } from "./resampler.js";

export class Speaker {
  #context;
  #node;
  #handlers;
  #rate;
  #resampler;
  #reply = null;
  #epoch = 0;

  /** What was played; for tests and debugging, see `window.voiceHost` in talk.js. */
  facts = { playing: false, playedMs: 0, peak: 0, peakOfReply: {}, underruns: 0, overflowSamples: 0, drops: 0, holds: 0 };

  /**
   * `rate` of the host's audio, in Hz. Handlers: `started(reply)`, `played(reply, ms, held)`, `finished(reply)`.
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
    if (reply !== this.#reply) this.#resetResampler(reply);
    const whole = pcm.byteLength - (pcm.byteLength % 2); // ignore half a sample at the end
    const samples = Float32Array.from(new Int16Array(pcm.slice(0, whole)), (value) => value / 32768);
    this.#queue(reply, this.#resampler.push(samples));
  }

  /** All audio of a reply has been queued. */
  end(reply) {
    if (reply === this.#reply) this.#queue(reply, this.#resampler.finish());
    this.#resetResampler(null);
    this.#node.port.postMessage({ end: reply });
  }

  /** Pauses at once and keeps the queue, until `release()`. Reports how much of the reply was played. */
  hold(reply) {
    this.#node.port.postMessage({ hold: reply });
    this.facts.holds += 1;
  }

  /** Continues where it was paused. */
  release(reply) {
    this.#node.port.postMessage({ release: reply });
  }

  /** Stops at once and clears the queue. */
  drop() {
    this.#epoch += 1;
    this.#resetResampler(null);
    this.#node.port.postMessage({ drop: this.#epoch });
    if (this.facts.playing) this.facts.drops += 1;
    this.facts.playing = false;
  }

  close() {
    this.drop();
    this.#node.port.onmessage = null;
    this.#node.disconnect();
  }

  #resetResampler(reply) {
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
    // Rendered samples become audible after the output latency. A held or finished reply is reported to its end.
    const latencyMs = type !== "played" ? 0 : 1000 * (this.#context.outputLatency || this.#context.baseLatency || 0);
    this.#handlers.played(reply, Math.max(0, Math.round(playedMs - latencyMs)), type === "held");
    if (type === "finished") this.#handlers.finished(reply);
  }
}
