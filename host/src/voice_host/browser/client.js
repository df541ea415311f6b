// The voice-host client for browsers. No build step and no dependencies:
//
//   import { connect } from "https://voice.example.com/client.js";
//   const call = connect({ agent: "front-desk", getToken });
//
// Types: client.d.ts, beside this file. Documentation: docs/reference/client-js.md.

// @ts-self-types="./client.d.ts"

// All modules at once: otherwise the browser would find and load them one after the other.
import "./client/audio-context.js";
import "./client/connection.js";
import "./client/events.js";
import "./client/microphone-switch.js";
import "./client/microphone.js";
import "./client/reconnect.js";
import "./client/resampler.js";
import "./client/speaker.js";

import { Call } from "./client/call.js";
import { CallError } from "./client/errors.js";
import { listDevices, watchDevices } from "./client/devices.js";
import { sessionAddress } from "./client/address.js";

export { CallError, listDevices, watchDevices };

/** The address of the host that served this file. */
const HOST = new URL(".", import.meta.url);

/**
 * Opens a call and returns it at once. Call it directly from a click or key press: otherwise browsers may block the sound
 * until the next one (state "blocked").
 */
export function connect(options) {
  const { getToken, token } = options;
  if (getToken !== undefined && typeof getToken !== "function") throw new TypeError("getToken must be a function");
  return new Call({
    address: sessionAddress(HOST, options),
    getToken: getToken ?? (() => token ?? null),
    microphone: options.microphone ?? true,
    inputDevice: options.inputDevice ?? null,
    outputDevice: options.outputDevice ?? null,
    resumeToken: options.resumeToken ?? null,
  });
}
