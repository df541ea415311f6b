// The choice among several microphones, which is shown while one of them is in use.

import { listDevices, watchDevices } from "../client.js";
import { element } from "./dom.js";

const ALIASES = new Set(["default", "communications"]); // under which Chrome lists devices once more

export class MicrophoneChoice {
  #call = null;
  #unfocused;
  #wanted = null; // the id that was chosen last, also while it is being opened

  /** The id of the microphone that somebody chose, for the next call; null: the browser's choice. */
  chosen = null;

  select = element("select", { className: "microphones", part: "microphones", hidden: true });

  /** `problem(error)` gets a CallError when the chosen one cannot be used. `unfocused()`: the list disappears, and it had the focus. */
  constructor(problem, unfocused) {
    this.#unfocused = unfocused;
    this.select.addEventListener("change", () => void this.#choose(this.select.value).catch(problem));
  }

  /** A call begins. */
  follow(call) {
    this.#call = call;
    const stop = watchDevices(() => this.#show(call));
    call.on("microphone", () => void this.#show(call));
    call.on("ended", () => {
      stop();
      this.select.hidden = true;
    });
  }

  async #choose(id) {
    const call = this.#call;
    this.#wanted = id;
    try {
      await call.chooseMicrophone(id);
      if (this.#wanted === id) this.chosen = id;
    } finally {
      void this.#show(call);
    }
  }

  async #show(call) {
    const { microphones } = await listDevices();
    const used = call.inputDevice;
    this.select.replaceChildren(...microphones.map(({ id, label }) => element("option", { value: id, textContent: label })));
    this.select.value = used?.id ?? "";
    const isFocused = this.select.matches(":focus");
    this.select.hidden = !used || microphones.filter(({ id }) => !ALIASES.has(id)).length < 2;
    if (this.select.hidden && isFocused) this.#unfocused();
  }
}
