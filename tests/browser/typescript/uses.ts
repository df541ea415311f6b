// A page of a customer, as their editor and compiler see it. It is compiled, and never run.

import { connect, listDevices, watchDevices, CallError } from "https://voice.example.com/client.js";
import type { Call, CallEnd, CallState, Devices } from "https://voice.example.com/client.js";

const call: Call = connect({
  agent: "front-desk",
  getToken: async () => "token",
  microphone: "muted",
  metadata: { table: 7, name: undefined },
});
connect({ url: "wss://voice.example.com/api/session", token: null, resumeToken: null });

const remove: () => void = call.on("state", (state: CallState) => console.log(state));
remove();
call.on("turn", ({ text }) => text.toUpperCase());
call.on("toolCall", ({ reply, id, arguments: given }) => console.log(reply?.toFixed(), id, given));
call.on("metrics", ({ stagesMs }) => stagesMs.first_audio_out?.toFixed());
call.on("error", (error) => error instanceof CallError && error.code === "microphone_denied");
call.on("ended", (end: CallEnd) => end.cause === "over_a_limit" && end.message);
call.on("message", (message) => message.type === "thinking" && message.anything);
await call.chooseMicrophone("id");
call.say("Hello");
call.hangUp();

const devices: Devices = await listDevices();
watchDevices(({ microphones }) => microphones.map(({ label }) => label));
console.log(devices.speakers[0]?.id);

// @ts-expect-error: neither an agent nor an address
connect({ token: "token" });
// @ts-expect-error: one or the other
connect({ agent: "front-desk", url: "wss://voice.example.com/api/session" });
// @ts-expect-error: no such event
call.on("speech", () => {});
// @ts-expect-error: a turn is no text
call.on("turn", (turn) => turn.toUpperCase());
// @ts-expect-error: it is read-only
call.state = "ended";
