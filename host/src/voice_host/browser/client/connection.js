// The client side of the call protocol (version 1): a WebSocket in, messages out. It knows nothing of the page or audio.
// A call outlives its connection: after a loss it is resumed over a new one, with the token of the last `ready`.

import { Reconnection, isLost } from "./reconnect.js";

const PROTOCOL = "voice-host.v1";
const PING_INTERVAL_MS = 10_000;
const RECEIVE_TIMEOUT_MS = 25_000; // without any message, even a pong, the connection is half-open
const PROBE_TIMEOUT_MS = 5_000; // after a change of network: a connection that does not answer a ping for this long is dead
const READY_TIMEOUT_MS = 20_000;
const MAX_BACKLOG_S = 1; // of microphone audio that has not been sent yet; beyond it frames are dropped
const CLOSE_AND_RESUME = 4000; // a close without a code would end the call if it still reached the host
const NETWORK_EVENTS = ["online", "offline"];
const USABLE = /^[A-Za-z0-9._~-]+$/; // the characters of keys and tokens
const OPENS_REPLY = new Set(["greeting", "reply_delta", "chat"]);

export class Connection {
  #url;
  #credential;
  #socket = null; // null between connections, and while the credential is fetched
  #handlers;
  #ready = null;
  #token = null; // resumes this call on the next connection; null if it cannot be resumed
  #reconnection = null; // set while the connection is lost
  #openReplies = []; // ids of replies that have begun and whose audio is not complete, oldest first
  #lastDone = -Infinity; // the newest id whose audio is complete
  #lastReceived = Date.now();
  #readyTimer = null;
  #probeTimer = null;
  #pingTimer;
  #networkChanged = () => this.#probe();

  /** Microphone frames dropped because the network was too slow. */
  droppedFrames = 0;

  /**
   * Opens a call, or resumes the one of `token`. `credential()` returns the API key or call token, or null for none, or a
   * promise of it; it is asked for each connection. `handlers` has `message(message)` for JSON messages,
   * `audio(reply, arrayBuffer)`, `lost()` when the connection broke and is being restored (another `ready` or the end
   * follows), and, once and last, `closed(code, reason, wasLost)` or `refused(error)` with what `credential` threw.
   */
  constructor(url, credential, handlers, token = null) {
    this.#url = url;
    this.#credential = credential;
    this.#handlers = handlers;
    this.#token = token;
    this.#reconnection = token === null ? null : new Reconnection();
    this.#pingTimer = setInterval(() => this.#keepAlive(), PING_INTERVAL_MS);
    for (const event of NETWORK_EVENTS) addEventListener(event, this.#networkChanged);
    void this.#open();
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
    if (!this.#ready || this.#socket?.readyState !== WebSocket.OPEN) return;
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
    this.#socket?.close(1000);
    this.#end(1000, "");
  }

  async #open() {
    this.#lastReceived = Date.now();
    this.#readyTimer = setTimeout(() => this.#onNotReady(), READY_TIMEOUT_MS);
    const attempt = this.#readyTimer;
    const isOver = () => this.#handlers === null || attempt !== this.#readyTimer; // ended, or given up
    let protocols;
    try {
      protocols = subprotocols(await this.#credential());
    } catch (error) {
      if (!isOver()) this.#onNoCredential(error);
      return;
    }
    if (isOver()) return;
    try {
      this.#socket = new WebSocket(this.#token === null ? this.#url : withToken(this.#url, this.#token), protocols);
    } catch (error) {
      // Browsers throw where a page served over HTTPS calls a host without it.
      this.#onClose(1006, error.message);
      return;
    }
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onmessage = ({ data }) => this.#onMessage(data);
    this.#socket.onclose = ({ code, reason }) => this.#onClose(code, reason);
  }

  #onNotReady() {
    if (this.#ready !== null) return;
    if (this.#socket !== null) this.#giveUp();
    else this.#onNoCredential(new Error(`getToken did not answer within ${READY_TIMEOUT_MS / 1000} s`));
  }

  #onNoCredential(error) {
    // While the network is away, the page's own server cannot be reached either.
    if (this.#reconnection) this.#onClose(1006, "");
    else this.#end(1000, "", error);
  }

  #send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
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

  /** Finds out at once whether the connection survived a change of network, and retries one that did not. */
  #probe() {
    if (this.#ready === null) return navigator.onLine ? this.#reconnection?.hurry() : undefined;
    this.#send({ type: "ping" });
    const before = this.#lastReceived;
    clearTimeout(this.#probeTimer);
    this.#probeTimer = setTimeout(() => {
      if (this.#ready !== null && this.#lastReceived === before) this.#giveUp();
    }, PROBE_TIMEOUT_MS);
  }

  #giveUp() {
    // A half-open connection would take a minute to close.
    this.#socket?.close(CLOSE_AND_RESUME);
    this.#onClose(1006, "");
  }

  #onClose(code, reason) {
    this.#detachSocket();
    const reconnection = this.#reconnection ?? (this.#ready && this.#token && isLost(code) ? new Reconnection() : null);
    const first = this.#reconnection === null;
    this.#ready = null;
    if (!reconnection?.schedule(code, () => void this.#open())) return this.#end(code, reason);
    this.#reconnection = reconnection;
    this.#forgetReplies();
    if (first) this.#handlers.lost();
  }

  #detachSocket() {
    if (this.#socket) this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket = null;
    clearTimeout(this.#readyTimer);
    clearTimeout(this.#probeTimer);
    this.#readyTimer = null;
  }

  #end(code, reason, refusal = null) {
    if (this.#handlers === null) return;
    const { closed, refused } = this.#handlers;
    this.#handlers = null;
    this.#detachSocket();
    this.#reconnection?.stop();
    clearInterval(this.#pingTimer);
    for (const event of NETWORK_EVENTS) removeEventListener(event, this.#networkChanged);
    if (refusal) refused(refusal);
    else closed(code, reason, this.#reconnection !== null);
  }
}

/** Browsers cannot set headers on a WebSocket, so the token is a subprotocol. The host never echoes it. */
function subprotocols(credential) {
  if (credential === null || credential === undefined) return [PROTOCOL];
  if (typeof credential === "string" && USABLE.test(credential)) return [PROTOCOL, `voice-host.token.${credential}`];
  throw new TypeError("a token must be a string of letters, digits, dots, hyphens and underscores");
}

function withToken(address, token) {
  const url = new URL(address);
  url.searchParams.set("resume", token);
  return url.href;
}
