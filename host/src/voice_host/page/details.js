// What the panel shows of a call, and what it lets one set up: latencies, events, devices, parameters, saving.

import { DeviceChoice } from "./device-choice.js";
import { element } from "./dom.js";
import { EventLog } from "./event-log.js";
import { conversationData, conversationText, fileName, saveFile } from "./export.js";
import { Panel } from "./panel.js";
import { ParameterForm, parametersInAddress } from "./parameters.js";
import { Waterfall } from "./waterfall.js";

const byId = (id) => document.getElementById(id);

export class Details {
  #transcript;
  #conversation;
  #devices;
  #level = byId("level");
  #facts = byId("call-facts");
  #call = null; // { agent, started, parameters, session, version } of the present call, or of the last

  panel = new Panel({ panel: byId("panel"), toggle: byId("panel-toggle"), close: byId("panel-close") });
  log = new EventLog({ list: byId("event-list"), empty: byId("events-empty") });
  waterfall = new Waterfall({ list: byId("latency-list"), summary: byId("latency-summary"), empty: byId("latency-empty") });

  /** `conversation()` returns the present conversation or null; `devices` has `problem(error)` and `solved(kind)`: see device-choice.js. */
  constructor(transcript, conversation, devices) {
    this.#transcript = transcript;
    this.#conversation = conversation;
    const choices = { microphoneChoice: "microphone-choice", speakerChoice: "speaker-choice", devicesHint: "devices-hint" };
    const elements = Object.fromEntries(Object.entries(choices).map(([name, id]) => [name, byId(id)]));
    this.#devices = new DeviceChoice(elements, conversation, devices);
    new ParameterForm({ list: byId("parameters"), add: byId("parameter-add"), problem: byId("parameters-problem") });
    byId("save-text").addEventListener("click", () => this.#save("txt", "text/plain", conversationText));
    byId("save-json").addEventListener("click", () =>
      this.#save("json", "application/json", (about) => JSON.stringify(conversationData(about), null, 2)),
    );
  }

  /** A call begins. Returns the options of the call that are set up here. */
  begin(agent) {
    const metadata = parametersInAddress();
    this.#call = { agent, started: new Date().toISOString(), parameters: metadata, session: null, version: null };
    this.log.begin();
    this.waterfall.clear();
    return { metadata, ...this.#devices.chosen };
  }

  /** Shows the state of the conversation. */
  show(agent) {
    const conversation = this.#conversation();
    if (conversation && this.#call) {
      this.#call.session = conversation.sessionId ?? this.#call.session;
      this.#call.version = conversation.agentVersion ?? this.#call.version;
    }
    const ofAnother = this.#call !== null && this.#call.agent.id !== agent?.id;
    const call = ofAnother ? null : this.#call;
    const answering = [agent?.distribution, call?.version ?? agent?.version].filter(Boolean).join(" ");
    const facts = [["Agent", agent?.id], ["Release", answering], ["Session", call?.session]].filter(([, value]) => value);
    const rows = facts.map(([label, value]) =>
      element("div", {}, element("dt", { textContent: label }), element("dd", { textContent: value })),
    );
    if (this.#facts.textContent !== rows.map((row) => row.textContent).join("")) this.#facts.replaceChildren(...rows);
    byId("save-text").disabled = byId("save-json").disabled = this.#transcript.isEmpty;
  }

  microphoneOpened() {
    void this.#devices.refresh(); // their names are known now
  }

  /** `level`: of the microphone, as `Controls.level` shows it, from 0 to 1. */
  level(level) {
    this.#level.value = level;
  }

  #save(ending, type, write) {
    const { agent, started, parameters, session, version } = this.#call ?? {};
    const about = {
      agent,
      release: [agent?.distribution, version ?? agent?.version].filter(Boolean).join(" ") || null,
      session,
      started,
      parameters,
      entries: this.#transcript.exported,
      events: this.log.saved,
    };
    saveFile(fileName(agent.id, ending), write(about), type);
  }
}
