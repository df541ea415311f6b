// One call as the caller lives it: joins the call, the microphone, the speaker and the transcript.

import { createAudioContext, prepareAudioContext, whyNoAudio } from "./audio-context.js";
import { Call, sessionUrl } from "./call.js";
import { Microphone } from "./microphone.js";
import { Speaker } from "./speaker.js";
import {
  AUDIO_WORDS,
  CONNECTED_AGAIN,
  CONNECTION_LOST,
  MICROPHONE_GONE,
  accessIsWanted,
  closeWords,
  hostIsGone,
  isDraining,
  microphoneWords,
} from "./words.js";

export class Conversation {
  #agent;
  #transcript;
  #view;
  #context = null;
  #call = null;
  #microphone = null;
  #speaker = null;
  #ready = null; // the message
  #thinking = false;
  #over = false;
  #unsent = []; // typed before the host was ready
  #resumeToken; // of the call that was under way before the page was reloaded, until it is gone on with
  #whyMute = whyNoAudio(); // see AUDIO_WORDS; null: this call has sound
  #isBlocked = false; // the browser lets the page sound only after a click or key press
  #sounding = null; // the reply that sounds, or sounded last
  #silenced; // the reply that the caller stopped by button, until the host has said so too

  /** "off", "opening", "on" or "muted". */
  microphoneState = "off";

  /**
   * `view` has `changed()`, `level(0..1)`, `problem(text)` and, once and last, `ended({ text, failed, hostGone, draining,
   * accessWanted })`. `resumeToken` opens a call that is under way: it is gone on with.
   */
  constructor(agent, transcript, view, resumeToken = null) {
    this.#resumeToken = resumeToken;
    this.#agent = agent;
    this.#transcript = transcript;
    this.#view = view;
  }

  /** "blocked", "connecting", "reconnecting", "listening", "thinking" or "speaking". */
  get phase() {
    if (this.#isBlocked) return "blocked";
    if (this.#call?.isLost) return "reconnecting";
    if (!this.#call?.isReady) return "connecting";
    if (this.#speaker?.facts.playing) return "speaking";
    return this.#thinking ? "thinking" : "listening";
  }

  /** For tests and curious people; see talk.js. */
  get facts() {
    return {
      speaker: this.#speaker?.facts ?? null,
      microphoneFrames: this.#microphone?.frames ?? 0,
      droppedFrames: this.#call?.droppedFrames ?? 0,
    };
  }

  /** What a page that is loaded anew needs to go on with this call; null: nobody can. */
  get resumable() {
    const token = this.#call ? this.#call.resumeToken : this.#resumeToken;
    return token === null ? null : { token, microphone: this.microphoneState, unsent: [...this.#unsent] };
  }

  /** Opens the call. To be called directly from a click or key press, or browsers may not let it sound. */
  async start() {
    // Before the call, so that the greeting's first audio finds a speaker.
    await this.#startSound();
    if (this.#over) return;
    const handlers = {
      message: (message) => this.#onMessage(message),
      audio: (reply, pcm) => this.#onAudio(reply, pcm),
      lost: () => this.#onLost(),
      closed: (code, reason, wasLost) =>
        this.#end({
          ...closeWords(code, reason, wasLost),
          hostGone: hostIsGone(code) || wasLost,
          draining: isDraining(code),
          accessWanted: accessIsWanted(code, wasLost),
        }),
    };
    this.#call = new Call(sessionUrl(this.#agent.id), handlers, this.#resumeToken);
    this.#view.changed();
  }

  /** Opens the microphone, once the call has been started. `muted`: it sends silence at first. */
  async openMicrophone({ muted = false } = {}) {
    if (this.microphoneState !== "off") return;
    if (this.#whyMute) return void this.#view.problem(AUDIO_WORDS[this.#whyMute]);
    this.#setMicrophone("opening");
    try {
      const microphone = await Microphone.open();
      if (this.#over || this.#whyMute) return void microphone.close();
      microphone.muted = muted;
      this.#microphone = microphone;
      this.#setMicrophone(muted ? "muted" : "on");
      this.#startMicrophone();
    } catch (error) {
      if (this.#over) return;
      this.#setMicrophone("off");
      this.#view.problem(microphoneWords(error));
    }
  }

  toggleMicrophone() {
    if (!this.#microphone) return void this.openMicrophone();
    this.#microphone.muted = !this.#microphone.muted;
    this.#setMicrophone(this.#microphone.muted ? "muted" : "on");
  }

  say(text) {
    this.#transcript.typed(text);
    if (this.#call?.isReady) this.#call.sendText(text);
    else this.#unsent.push(text);
  }

  /** Silence now, without waiting for the host to agree. */
  stopSpeaking() {
    if (this.#speaker?.facts.playing) {
      this.#silenced = this.#sounding;
      this.#speaker.drop();
    }
    this.#call.cancel();
    this.#view.changed();
  }

  reset() {
    this.#call.reset();
  }

  hangUp() {
    if (this.#call) this.#call.hangUp();
    else this.#end({ text: "You hung up.", failed: false });
  }

  #onMessage(message) {
    const reply = message.reply ?? null;
    const transcript = this.#transcript;
    switch (message.type) {
      case "ready":
        this.#onReady(message);
        break;
      case "greeting":
        transcript.greeting(reply, message.text);
        break;
      case "transcript":
        // A partial only: the finished turn comes as `turn`.
        if (!message.final) transcript.partial(message.text);
        break;
      case "turn":
        transcript.turn(message.text);
        this.#think();
        break;
      case "thinking":
        this.#think();
        break;
      case "tool_call":
        transcript.toolCall(reply, message.id, message.name, message.arguments);
        break;
      case "tool_result":
        transcript.toolResult(message.id, message.name, message.ok === true);
        break;
      case "reply_delta":
        transcript.replyDelta(reply, message.text);
        break;
      case "chat":
        transcript.replyWhole(reply, message.text, message.steps);
        if (!this.#speaker) this.#stopThinking();
        break;
      case "tts_done":
        this.#silenced = undefined;
        this.#speaker?.end(reply);
        this.#stopThinking();
        break;
      case "hold":
        this.#speaker?.hold();
        break;
      case "unhold":
        this.#speaker?.release();
        break;
      case "cancelled":
        this.#silenced = undefined;
        this.#speaker?.drop();
        transcript.cut(reply, message.heard ?? "");
        this.#stopThinking();
        break;
      case "metrics":
        transcript.latency(reply, message.stages_ms ?? {});
        break;
      case "reset":
        this.#speaker?.drop();
        this.#stopThinking();
        transcript.clear();
        break;
      case "error":
        // What is fatal ends the call, and the close that follows says why.
        if (!message.fatal) transcript.note(message.message, "error");
        this.#stopThinking();
        break;
      default: // a type of a later protocol, or `pong`
    }
    if (!this.#over) this.#view.changed();
  }

  /** Everything of the connection is void; what was written, the microphone and the speaker stay. */
  #onLost() {
    this.#silenced = undefined;
    this.#speaker?.drop();
    this.#stopThinking();
    this.#transcript.endCall();
    this.#transcript.note(CONNECTION_LOST);
    this.#view.changed();
  }

  #onReady(message) {
    const isFirst = this.#ready === null;
    this.#ready = message;
    if (isFirst) this.#begin(message);
    if (message.resumed || !isFirst) this.#transcript.note(CONNECTED_AGAIN);
    for (const text of this.#unsent.splice(0)) this.#call.sendText(text);
  }

  #begin(message) {
    if (this.#context) {
      this.#speaker = new Speaker(this.#context, message.tts_sample_rate, {
        started: (reply) => this.#onSound(reply),
        played: (reply, playedMs, held) => this.#call.reportPlayback(reply, playedMs, held),
        finished: () => this.#view.changed(),
      });
    }
    this.#startMicrophone();
  }

  #onAudio(reply, pcm) {
    if (this.#silenced === undefined || reply !== this.#silenced) this.#speaker?.play(reply, pcm);
  }

  #onSound(reply) {
    this.#sounding = reply;
    this.#stopThinking();
    this.#view.changed();
  }

  #startMicrophone() {
    if (!this.#ready || !this.#microphone) return;
    this.#microphone.start(this.#context, this.#ready.sample_rate, {
      frame: (pcm, level) => {
        this.#call.sendAudio(pcm);
        this.#view.level(level);
      },
      lost: () => {
        this.#closeMicrophone();
        this.#view.problem(MICROPHONE_GONE);
      },
    });
  }

  async #startSound() {
    try {
      if (!this.#whyMute) this.#context = createAudioContext();
      this.#view.changed();
      if (this.#context) await prepareAudioContext(this.#context, () => this.#setBlocked(true));
    } catch {
      this.#whyMute = "failed";
    }
    this.#setBlocked(false);
    if (this.#over || !this.#whyMute) return;
    this.#context?.close();
    this.#context = null;
    this.#closeMicrophone();
    this.#view.problem(AUDIO_WORDS[this.#whyMute]);
  }

  #setBlocked(isBlocked) {
    this.#isBlocked = isBlocked;
    if (!this.#over) this.#view.changed();
  }

  #closeMicrophone() {
    this.#microphone?.close();
    this.#microphone = null;
    this.#setMicrophone("off");
  }

  #setMicrophone(state) {
    this.microphoneState = state;
    this.#view.level(0);
    this.#view.changed();
  }

  #think() {
    this.#silenced = undefined;
    this.#thinking = true;
    this.#transcript.thinking(true);
  }

  #stopThinking() {
    this.#thinking = false;
    this.#transcript.thinking(false);
  }

  #end(words) {
    if (this.#over) return;
    this.#over = true;
    this.#microphone?.close();
    this.#speaker?.close();
    this.#context?.close();
    this.#transcript.endCall();
    this.#view.level(0);
    this.#view.ended(words);
  }
}
