// Audio thread, speaker side: a queue of samples at the context's rate, with a small jitter buffer in front.
//
// The page sends { samples, reply }, { end: reply } after a reply's last samples, { hold: true } to pause and { hold: false }
// to go on, and { drop: epoch } to empty the queue.
// Everything reported carries the epoch of the last drop, so that the page can ignore what was under way before it.

const START_S = 0.08; // gather this much before playing, so that a late packet is not heard as a gap
const PATIENCE_S = 0.15; // but never hold a short reply back for longer than this
const LIMIT_S = 120; // the host paces itself to a fraction of a second; this bounds memory if one does not
const REPORT_S = 0.1;
const STARVED_S = 1; // nothing came for so long: the reply is over, even if nobody said so

class PlaybackProcessor extends AudioWorkletProcessor {
  #queue = []; // { reply, samples, used } or { reply, end: true }
  #queued = 0; // samples
  #playing = false;
  #held = false;
  #audible = false; // what the page was told: stays true over a short gap
  #waited = 0; // samples spent without playing
  #reply; // the id of what is being played; undefined before the first
  #played = 0; // samples of #reply
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
      this.#held = data.hold;
      if (this.#held && this.#audible) this.#reportPlayed("held");
    } else if ("end" in data) {
      this.#queue.push({ reply: data.end, end: true });
    } else if (this.#queued + data.samples.length > LIMIT_S * sampleRate) {
      this.#report("overflow", { samples: data.samples.length }); // the newest is lost, the page counts it
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
    return ended || this.#queued >= START_S * sampleRate || this.#waited > PATIENCE_S * sampleRate;
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
    if (this.#sinceReport >= REPORT_S * sampleRate) this.#reportPlayed("played");
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

  #report(type, facts) {
    this.port.postMessage({ type, epoch: this.#epoch, ...facts });
  }
}

registerProcessor("voice-host-playback", PlaybackProcessor);
