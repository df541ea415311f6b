// A voice agent on any page:
//
//   <script type="module" src="https://voice.example.com/widget.js"></script>
//   <voice-agent agent="front-desk" token-url="/voice-token"></voice-agent>
//
// Documentation: docs/how-to/put-an-agent-on-your-page.md.

// All modules at once: otherwise the browser would find and load them one after the other.
import "./client.js";
import "./client/address.js";
import "./client/audio-context.js";
import "./client/call.js";
import "./client/connection.js";
import "./client/devices.js";
import "./client/errors.js";
import "./client/events.js";
import "./client/microphone-switch.js";
import "./client/microphone.js";
import "./client/reconnect.js";
import "./client/resampler.js";
import "./client/speaker.js";
import "./widget/corner.js";
import "./widget/dom.js";
import "./widget/following.js";
import "./widget/log.js";
import "./widget/microphone-choice.js";
import "./widget/style.js";
import "./widget/texts.js";
import "./widget/token.js";
import "./widget/view.js";

import { VoiceAgent } from "./widget/element.js";

export { VoiceAgent };

// A page may load this file twice.
if (!customElements.get("voice-agent")) customElements.define("voice-agent", VoiceAgent);
