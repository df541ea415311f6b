// The client side of the call protocol (version 1): a WebSocket in, messages out. It knows nothing of the page or audio.
// A call outlives its connection: after a loss it is resumed over a new one, with the token of the last `ready`.

import { accessSubprotocols } from "./access.js";
import { Reconnection, isLost } from "./reconnect.js";

const PING_INTERVAL_MS = 10_000;
const RECEIVE_TIMEOUT_MS = 25_000; // without any message, even a pong, the connection is half-open
const READY_TIMEOUT_MS = 20_000;
const MAX_BACKLOG_S = 1; // of microphone audio that has not been sent yet; beyond it frames are dropped
const CLOSE_AND_RESUME = 4000; // a close without a code would end the call if it still reached the host
const OPENS_REPLY = new Set(["greeting", "reply_delta", "chat"]);

export class Call {
  #url;
  #socket;
  #handlers;
  #ready = null;
  #token = null; // resumes this call on the next connection; null if it cannot be resumed
  #reconnection = null; // set while the connection is lost
  #openReplies = []; // ids of replies that have begun and whose audio is not complete, oldest first
  #lastDone = -Infinity; // the newest id whose audio is complete
  #lastReceived = Date.now();
  #readyTimer = null;
  #pingTimer;

  /** Microphone frames dropped because the network was too slow. */
  droppedFrames = 0;

  /**
   * Opens a call, or resumes the one of `token`. `handlers` has `message(message)` for JSON messages,
   * `audio(reply, arrayBuffer)`, `lost()` when the connection broke and is being restored (another `ready` or the end
   * follows), and, once and last, `closed(code, reason, wasLost)`.
   */
  constructor(url, handlers, token = null) {
    this.#url = url;
    this.#handlers = handlers;
    this.#token = token;
    this.#reconnection = token === null ? null : new Reconnection();
    this.#pingTimer = setInterval(() => this.#keepAlive(), PING_INTERVAL_MS);
    this.#open(token === null ? url : withToken(url, token));
  }

  /** Resumes this call on a new connection; null if it cannot be resumed. It is a credential for one use. */
  get resumeToken() {
    return this.#token;
  }

  get isReady() {
    return this.#ready !== null;
  }

  get isLost() {
    return this.#reconnection !== null;
  }

  sendAudio(pcm) {
    if (!this.#ready || this.#socket.readyState !== WebSocket.OPEN) return;
    const limit = MAX_BACKLOG_S * this.#ready.sample_rate * Int16Array.BYTES_PER_ELEMENT;
    if (this.#socket.bufferedAmount > limit) this.droppedFrames += 1;
    else this.#socket.send(pcm);
  }

  sendText(text) {
    this.#send({ type: "text", text });
  }

  cancel() {
    this.#send({ type: "cancel" });
  }

  reset() {
    this.#send({ type: "reset" });
  }

  reportPlayback(reply, playedMs, held) {
    if (reply !== null) this.#send({ type: "playback", reply, played_ms: playedMs, ...(held && { held }) });
  }

  hangUp() {
    this.#socket.close(1000);
    this.#end(1000, "");
  }

  #open(url) {
    this.#socket = new WebSocket(url, ["voice-host.v1", ...accessSubprotocols()]);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onmessage = ({ data }) => this.#onMessage(data);
    this.#socket.onclose = ({ code, reason }) => this.#onClose(code, reason);
    this.#lastReceived = Date.now();
    this.#readyTimer = setTimeout(() => this.#ready ?? this.#giveUp(), READY_TIMEOUT_MS);
  }

  #send(message) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #onMessage(data) {
    this.#lastReceived = Date.now();
    if (typeof data !== "string") {
      // Frames carry no id. Replies are never interleaved, so audio belongs to the oldest open reply.
      this.#handlers.audio(this.#openReplies[0] ?? null, data);
      return;
    }
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return; // ignore it; the call goes on
    }
    if (typeof message?.type !== "string") return;
    this.#track(message);
    this.#handlers.message(message);
  }

  #track(message) {
    const { type, reply } = message;
    if (type === "ready") {
      this.#ready = message;
      this.#token = message.resume_token ?? null;
      this.#reconnection = null;
    }
    if (type === "reset") this.#forgetReplies();
    if (!Number.isInteger(reply)) return; // early hosts send no ids
    if (type === "tts_done" || type === "cancelled") {
      // Older replies are complete as well: a reply without audio must not claim the audio of later ones.
      this.#openReplies = this.#openReplies.filter((open) => open > reply);
      this.#lastDone = Math.max(this.#lastDone, reply);
    } else if (OPENS_REPLY.has(type) && reply > this.#lastDone && !this.#openReplies.includes(reply)) {
      this.#openReplies.push(reply);
    }
  }

  #forgetReplies() {
    this.#openReplies = [];
    this.#lastDone = -Infinity;
  }

  #keepAlive() {
    if (this.#ready === null) return; // which has a timeout of its own
    if (Date.now() - this.#lastReceived > RECEIVE_TIMEOUT_MS) this.#giveUp();
    else this.#send({ type: "ping" });
  }

  #giveUp() {
    // A half-open connection would take a minute to close.
    this.#socket.close(CLOSE_AND_RESUME);
    this.#onClose(1006, "");
  }

  #onClose(code, reason) {
    this.#detachSocket();
    const reconnection = this.#reconnection ?? (this.#ready && this.#token && isLost(code) ? new Reconnection() : null);
    const first = this.#reconnection === null;
    this.#ready = null;
    if (!reconnection?.schedule(code, () => this.#open(withToken(this.#url, this.#token)))) return this.#end(code, reason);
    this.#reconnection = reconnection;
    this.#forgetReplies();
    if (first) this.#handlers.lost();
  }

  #detachSocket() {
    this.#socket.onmessage = this.#socket.onclose = null;
    clearTimeout(this.#readyTimer);
  }

  #end(code, reason) {
    if (this.#handlers === null) return;
    const { closed } = this.#handlers;
    this.#handlers = null;
    this.#detachSocket();
    this.#reconnection?.stop();
    clearInterval(this.#pingTimer);
    closed(code, reason, this.#reconnection !== null);
  }
}

function withToken(address, token) {
  const url = new URL(address);
  url.searchParams.set("resume", token);
  return url.href;
}

/** The address of an agent's session on the host that served this page. */
export function sessionUrl(agentId) {
  const url = new URL(`agents/${encodeURIComponent(agentId)}/session`, document.baseURI);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.hash = "";
  return url.href;
}
