// The speaker side of the audio thread: a queue of samples at the context's rate, with a small jitter buffer.
//
// The page sends { samples, reply }, { end: reply } after the last samples of a reply, { hold: reply } to pause and
// { release: reply } to continue, and { drop: epoch } to clear the queue. Reports carry the epoch of the last drop, so that the
// page can ignore older ones.

const START_S = 0.08; // buffer this much before playing, so that a late packet does not cause a gap
const MAX_START_WAIT_S = 0.15; // but never delay a short reply for longer than this
const MAX_QUEUE_S = 120; // the host sends a fraction of a second ahead; this bounds the memory if one does not
const REPORT_INTERVAL_S = 0.1;
const STARVED_S = 1; // without audio for this long the reply is over, even without an `end`

class PlaybackProcessor extends AudioWorkletProcessor {
  #queue = []; // { reply, samples, used } or { reply, end: true }
  #queued = 0; // samples in the queue
  #playing = false;
  #held = false;
  #audible = false; // as reported to the page; stays true during a short gap
  #waited = 0; // samples of silence since the queue ran dry
  #reply; // the reply being played; undefined before the first
  #played = 0; // samples of #reply that were played
  #sinceReport = 0;
  #peak = 0;
  #epoch = 0;

  constructor() {
    super();
    this.port.onmessage = ({ data }) => this.#receive(data);
  }

  #receive(data) {
    if ("drop" in data) {
      this.#epoch = data.drop;
      this.#queue = [];
      this.#queued = 0;
      this.#playing = this.#audible = this.#held = false;
      this.#reply = undefined;
    } else if ("hold" in data) {
      this.#held = true;
      this.#reportHeld(data.hold);
    } else if ("release" in data) {
      this.#held = false;
    } else if ("end" in data) {
      this.#queue.push({ reply: data.end, end: true });
    } else if (this.#queued + data.samples.length > MAX_QUEUE_S * sampleRate) {
      this.#report("overflow", { samples: data.samples.length }); // these samples are dropped, and the page counts them
    } else {
      if (this.#queued === 0 && !this.#playing) this.#waited = 0;
      this.#queue.push({ reply: data.reply, samples: data.samples, used: 0 });
      this.#queued += data.samples.length;
    }
  }

  process(_inputs, [output]) {
    if (this.#held) return true; // silence
    const channel = output[0];
    if (!this.#playing && !this.#mayStart(channel.length)) return true;
    this.#playing = true;
    this.#render(channel);
    return true;
  }

  #mayStart(blockLength) {
    this.#waited += blockLength;
    if (this.#queue.length === 0) {
      if (this.#audible && this.#waited > STARVED_S * sampleRate) this.#finish();
      return false;
    }
    const ended = this.#queue.some((entry) => entry.end);
    return ended || this.#queued >= START_S * sampleRate || this.#waited > MAX_START_WAIT_S * sampleRate;
  }

  #render(channel) {
    let filled = 0;
    while (filled < channel.length && this.#queue.length > 0) {
      const entry = this.#queue[0];
      if (entry.end) {
        this.#queue.shift();
        this.#finish();
        continue;
      }
      if (!this.#audible || entry.reply !== this.#reply) this.#begin(entry.reply);
      const count = Math.min(channel.length - filled, entry.samples.length - entry.used);
      const part = entry.samples.subarray(entry.used, entry.used + count);
      channel.set(part, filled);
      for (const sample of part) this.#peak = Math.max(this.#peak, Math.abs(sample));
      entry.used += count;
      if (entry.used === entry.samples.length) this.#queue.shift();
      filled += count;
      this.#queued -= count;
      this.#played += count;
      this.#sinceReport += count;
    }
    if (this.#sinceReport >= REPORT_INTERVAL_S * sampleRate) this.#reportPlayed("played");
    if (filled < channel.length) this.#runDry();
  }

  #begin(reply) {
    if (reply !== this.#reply) this.#played = 0;
    this.#reply = reply;
    if (!this.#audible) this.#peak = 0;
    this.#audible = true;
    this.#report("started", { reply });
  }

  #runDry() {
    if (this.#audible) this.#report("underrun", {});
    this.#playing = false;
    this.#waited = 0;
  }

  #finish() {
    if (this.#audible) this.#reportPlayed("finished");
    this.#audible = false;
  }

  #reportPlayed(type) {
    this.#sinceReport = 0;
    this.#report(type, { reply: this.#reply, playedMs: (1000 * this.#played) / sampleRate, peak: this.#peak });
  }

  /** A reply that is still buffered, perhaps behind the end of the one before, has not been played at all. */
  #reportHeld(reply) {
    if (reply === this.#reply) this.#reportPlayed("held");
    else this.#report("held", { reply, playedMs: 0, peak: 0 });
  }

  #report(type, facts) {
    this.port.postMessage({ type, epoch: this.#epoch, ...facts });
  }
}

registerProcessor("voice-host-playback", PlaybackProcessor);
