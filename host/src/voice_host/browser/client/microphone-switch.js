// Whether a call has a microphone, and which: opened, muted, changed for another one, replaced when it is disconnected.

import { listDevices } from "./devices.js";
import { CallError, microphoneError } from "./errors.js";
import { Microphone } from "./microphone.js";

export class MicrophoneSwitch {
  #handlers;
  #device; // the id of the chosen device; null: the browser's choice
  #microphone = null;
  #muted = false;
  #call = null; // { context, rate } once the call is ready
  #attempt = 0; // the newest attempt to open one; the result of an older one is discarded

  /** "off", "opening", "on" or "muted". */
  state = "off";

  /** Handlers: `changed(state)`, also for another device and when a silent one is heard again, `frame(arrayBuffer, level)` and `problem(error)`. */
  constructor(device, handlers) {
    this.#device = device;
    this.#handlers = handlers;
  }

  /** The device in use, `{ id, label }`, or null. */
  get device() {
    return this.#microphone?.device ?? null;
  }

  get frames() {
    return this.#microphone?.frames ?? 0;
  }

  /** Sends what it records from now on. */
  start(context, rate) {
    this.#call = { context, rate };
    this.#connect();
  }

  /** Opens the microphone unless it is open. A failure is reported by `problem`. */
  async open({ muted = false } = {}) {
    if (this.state !== "off") return;
    this.#muted = muted;
    await this.#open(this.#device).catch((error) => this.#handlers.problem(error));
  }

  /**
   * Changes to another device. Rejects with a CallError if it cannot be opened; the present one is kept then. Of several choices
   * in quick succession the last one counts, also if an earlier device takes longer to open.
   */
  async choose(id) {
    if (this.state !== "off" && !(await this.#open(id, { exact: true }))) return;
    this.#device = id;
  }

  mute(muted) {
    this.#muted = muted;
    if (!this.#microphone) return;
    this.#microphone.muted = muted;
    this.#show();
  }

  close() {
    this.#attempt += 1;
    this.#microphone?.close();
    this.#microphone = null;
    this.#show();
  }

  /** Returns whether the device is in use now. */
  async #open(device, options) {
    this.#attempt += 1;
    const attempt = this.#attempt;
    if (!this.#microphone) this.#show("opening");
    let opened;
    try {
      opened = await Microphone.open(device, options);
    } catch (error) {
      if (attempt !== this.#attempt) return false;
      this.#show();
      throw microphoneError(error);
    }
    if (attempt !== this.#attempt) {
      opened.close();
      return false;
    }
    const isAnother = this.#microphone !== null;
    this.#microphone?.close();
    this.#microphone = opened;
    opened.muted = this.#muted;
    if (isAnother) this.#handlers.changed(this.state);
    else this.#show();
    this.#connect();
    return true;
  }

  #connect() {
    if (!this.#call || !this.#microphone) return;
    const { changed, frame, problem } = this.#handlers;
    this.#microphone.start(this.#call.context, this.#call.rate, {
      frame,
      silent: (isSilent) => (isSilent ? problem(new CallError("microphone_silent")) : changed(this.state)),
      lost: () => void this.#replace(),
    });
  }

  /** The device was disconnected, or the permission withdrawn. */
  async #replace() {
    this.close();
    const attempt = this.#attempt;
    const isReplaceable = await canOpenAnother();
    if (attempt !== this.#attempt) return;
    if (!isReplaceable) return this.#handlers.problem(new CallError("microphone_lost"));
    try {
      if (await this.#open(null)) this.#handlers.problem(new CallError("microphone_replaced"));
    } catch (error) {
      this.#handlers.problem(error);
    }
  }

  #show(state = this.#microphone ? (this.#muted ? "muted" : "on") : "off") {
    if (state === this.state) return;
    this.state = state;
    this.#handlers.changed(state);
  }
}

/** Whether another microphone can be opened without asking the person. */
async function canOpenAnother() {
  try {
    const { state } = await navigator.permissions.query({ name: "microphone" });
    return state === "granted" && (await listDevices()).microphones.length > 0;
  } catch {
    return false; // a browser that does not tell
  }
}
