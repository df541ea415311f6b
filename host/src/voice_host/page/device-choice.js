// Choosing the microphone and the loudspeaker. The choices are remembered.

import { listDevices, watchDevices } from "../client.js";
import { element } from "./dom.js";
import { remember, remembered } from "./remembered.js";

const MICROPHONE = "microphone";
const SPEAKER = "speaker";

export class DeviceChoice {
  #page;
  #conversation;
  #problem;
  #solved;
  #wanted = {}; // by kind, the id that was chosen last, also while it is being opened

  /**
   * `page` has the elements `microphoneChoice`, `speakerChoice` and `devicesHint`. `conversation()` returns the
   * present one or null. `problem(error)` is called when a device cannot be used, and `solved(kind)` when another one can:
   * codes of problems begin with the kind, "microphone" or "speaker".
   */
  constructor(page, conversation, { problem, solved }) {
    this.#page = page;
    this.#conversation = conversation;
    this.#problem = problem;
    this.#solved = solved;
    page.microphoneChoice.addEventListener("change", () => void this.#choose(MICROPHONE, page.microphoneChoice));
    page.speakerChoice.addEventListener("change", () => void this.#choose(SPEAKER, page.speakerChoice));
    watchDevices((devices) => this.#show(devices));
    void this.refresh();
  }

  /** The remembered ids, for the options of a call; null: the browser's choice. */
  get chosen() {
    return { inputDevice: remembered(MICROPHONE), outputDevice: remembered(SPEAKER) };
  }

  /** Lists the devices again: browsers tell their names once the page may use the microphone. */
  async refresh() {
    this.#show(await listDevices());
  }

  #show({ microphones, speakers }) {
    const { microphoneChoice, speakerChoice, devicesHint } = this.#page;
    fill(microphoneChoice, microphones, this.#conversation()?.inputDevice?.id ?? remembered(MICROPHONE));
    fill(speakerChoice, speakers, remembered(SPEAKER));
    const isNamed = microphones.some(({ label }) => label !== "");
    devicesHint.textContent = isNamed
      ? speakers.length === 0
        ? "This browser uses the loudspeaker that is chosen in the system’s settings."
        : ""
      : "The devices are named here once this page may use the microphone.";
    devicesHint.hidden = devicesHint.textContent === "";
  }

  async #choose(kind, select) {
    const id = select.value || null;
    this.#wanted[kind] = id;
    try {
      const conversation = this.#conversation();
      if (kind === MICROPHONE) await conversation?.chooseMicrophone(id);
      else await conversation?.chooseSpeaker(id ?? "");
      if (this.#wanted[kind] === id) {
        remember(kind, id);
        this.#solved(kind);
      }
    } catch (error) {
      this.#problem(error);
    }
    await this.refresh();
  }
}

/** Fills a <select> with named devices. The first option leaves the choice to the browser. */
function fill(select, devices, chosen) {
  const named = devices.filter(({ id, label }) => label !== "" && id !== "default");
  const options = [{ id: "", label: "The system’s choice" }, ...named];
  select.replaceChildren(...options.map(({ id, label }) => element("option", { value: id, textContent: label })));
  select.value = named.some(({ id }) => id === chosen) ? chosen : "";
  select.disabled = named.length === 0;
}
