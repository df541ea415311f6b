// A streaming resampler for mono audio between two integer sample rates: a polyphase windowed-sinc low-pass filter. It
// uses no browser API: it runs on the page (the agent's voice) and in the capture worklet (the microphone).

const ZERO_CROSSINGS = 16; // per side; more is steeper and slower
const PASSBAND = 0.92; // of the lower Nyquist frequency; the rest is the transition band

export class Resampler {
  #taps;
  #phases;
  #step;
  #input;
  #position = 0; // of the next output sample, in input samples times #up, from the start of #input
  #up;
  #down;

  /** `fromRate` and `toRate` in Hz. */
  constructor(fromRate, toRate) {
    const divisor = greatestCommonDivisor(Math.round(fromRate), Math.round(toRate));
    this.#up = Math.round(toRate) / divisor;
    this.#down = Math.round(fromRate) / divisor;
    // When downsampling, the filter must cut off at the new Nyquist frequency, to avoid aliasing.
    const cutoff = Math.min(1, this.#up / this.#down) * (this.#up === this.#down ? 1 : PASSBAND);
    this.#taps = 2 * Math.ceil(ZERO_CROSSINGS / cutoff);
    this.#step = this.#taps / 2 - 1;
    this.#phases = Array.from({ length: this.#up }, (_, phase) => phaseFilter(phase / this.#up, this.#taps, cutoff));
    this.#input = new Float32Array(this.#step);
  }

  /** Takes the next Float32 samples and returns the available output samples. */
  push(samples) {
    if (this.#up === this.#down) return samples;
    const input = new Float32Array(this.#input.length + samples.length);
    input.set(this.#input);
    input.set(samples, this.#input.length);
    const available = (input.length - this.#taps + 1) * this.#up;
    const count = Math.max(0, Math.ceil((available - this.#position) / this.#down));
    const output = new Float32Array(count);
    for (let index = 0; index < count; index += 1) {
      const start = Math.floor(this.#position / this.#up);
      const filter = this.#phases[this.#position % this.#up];
      let sum = 0;
      for (let tap = 0; tap < this.#taps; tap += 1) sum += input[start + tap] * filter[tap];
      output[index] = sum;
      this.#position += this.#down;
    }
    const used = Math.min(Math.floor(this.#position / this.#up), input.length);
    this.#input = input.slice(used);
    this.#position -= used * this.#up;
    return output;
  }

  /** Returns the last output samples, by padding the input with silence. */
  finish() {
    return this.push(new Float32Array(this.#up === this.#down ? 0 : this.#taps / 2));
  }
}

/** The filter for an output sample that lies `offset` (0 to 1) input samples after an input sample. */
function phaseFilter(offset, taps, cutoff) {
  const filter = new Float64Array(taps);
  const half = taps / 2;
  let sum = 0;
  for (let tap = 0; tap < taps; tap += 1) {
    const distance = tap - (half - 1) - offset;
    const window = 0.5 * (1 + Math.cos((Math.PI * distance) / half)); // Hann
    filter[tap] = Math.abs(distance) < half ? sinc(distance * cutoff) * window : 0;
    sum += filter[tap];
  }
  return filter.map((value) => value / sum); // the same gain for every phase, or the output would hum
}

function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

function greatestCommonDivisor(a, b) {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
