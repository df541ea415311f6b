// The microphone side of the audio thread: resamples to the rate of the call and cuts frames of PCM16.

import { Resampler } from "./resampler.js";

class CaptureProcessor extends AudioWorkletProcessor {
  #resampler;
  #frame;
  #filled = 0;
  #squares = 0;

  constructor({ processorOptions }) {
    super();
    // `sampleRate` is a global of the audio thread: the rate of the context.
    this.#resampler = new Resampler(sampleRate, processorOptions.targetRate);
    this.#frame = new Int16Array(processorOptions.frameSamples);
  }

  process([input]) {
    // There is no channel while the source is not connected.
    if (input.length > 0) for (const sample of this.#resampler.push(input[0])) this.#add(sample);
    return true;
  }

  #add(sample) {
    const clipped = Math.max(-1, Math.min(1, sample));
    this.#frame[this.#filled] = Math.round(clipped * 32767);
    this.#squares += clipped * clipped;
    this.#filled += 1;
    if (this.#filled < this.#frame.length) return;
    const pcm = this.#frame.slice().buffer;
    this.port.postMessage({ pcm, level: Math.sqrt(this.#squares / this.#filled) }, [pcm]);
    this.#filled = 0;
    this.#squares = 0;
  }
}

registerProcessor("voice-host-capture", CaptureProcessor);
