// Audio thread, microphone side: from the context's rate to the call's, cut into frames of PCM16.

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
    // No channel means that the source is gone for the moment; there is nothing to send then.
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
