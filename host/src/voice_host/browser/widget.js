// A voice agent on any page:
//
//   <script type="module" src="https://voice.example.com/widget.js"></script>
//   <voice-agent agent="front-desk" token-url="/voice-token"></voice-agent>
//
// Documentation: docs/how-to/put-an-agent-on-your-page.md.

import { VoiceAgent } from "./widget/element.js";

export { VoiceAgent };

// A page may load this file twice.
if (!customElements.get("voice-agent")) customElements.define("voice-agent", VoiceAgent);
