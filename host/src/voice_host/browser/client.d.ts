/** The types of `client.js`. Documentation: docs/reference/client-js.md. */

/** Opens a call and returns it at once. Call it directly from a click or key press, or browsers may block the sound. */
export declare function connect(options: ConnectOptions): Call;

/** The devices of this computer. Browsers hide labels until the page may use the microphone. */
export declare function listDevices(): Promise<Devices>;

/** Calls `listener` when a device is connected or removed. Returns a function that stops it. */
export declare function watchDevices(listener: (devices: Devices) => void): () => void;

export interface CommonOptions {
  /** A call token, if it is known already. */
  token?: string | null;
  /** Returns a call token. It is called for each connection, also to come back after a loss of the network. */
  getToken?: () => string | null | Promise<string | null>;
  /** Whether to open the microphone; "muted": open it, and send silence at first. Default: true. */
  microphone?: boolean | "muted";
  /** The id of a microphone, see `listDevices`. Another one is used if it is not connected. */
  inputDevice?: string | null;
  /** The id of a loudspeaker, see `listDevices`. */
  outputDevice?: string | null;
  /** Becomes `Session.metadata` of the agent. What a call token carries is laid over it. */
  metadata?: Record<string, string | number | boolean | null | undefined>;
  /** Resumes a call of this page before it was reloaded: its `Call.resumeToken`. */
  resumeToken?: string | null;
}

export interface AgentOptions extends CommonOptions {
  /** The id of an agent, or of one of its releases: `front-desk`, `front-desk@staging`. */
  agent: string;
  /** The address of the host. Default: the one that served `client.js`. */
  host?: string | URL;
  url?: undefined;
}

export interface UrlOptions extends CommonOptions {
  /** The whole address of a session, as of an agent embedded by `create_voice_app`. */
  url: string | URL;
  agent?: undefined;
  host?: undefined;
}

export type ConnectOptions = AgentOptions | UrlOptions;

/**
 * - `connecting`: the call is being opened
 * - `blocked`: the browser allows sound only after a click or key press anywhere on the page
 * - `listening`, `thinking`, `speaking`: what the agent does
 * - `reconnecting`: the connection was lost and is being restored
 * - `ended`: see the event `ended`
 */
export type CallState = "connecting" | "blocked" | "listening" | "thinking" | "speaking" | "reconnecting" | "ended";

export type MicrophoneState = "off" | "opening" | "on" | "muted";

export interface Device {
  id: string;
  /** Empty until the page may use the microphone. */
  label: string;
}

export interface Devices {
  microphones: Device[];
  /** Empty where the browser does not let pages choose. */
  speakers: Device[];
}

/** `reply` is the number of a reply; null for a tool that runs before the reply has one. */
export interface CallEvents {
  state: CallState;
  /** The call is open, for the first time or again. */
  ready: { sessionId: string; agent: string; resumed: boolean };
  /** The connection was lost. `ready` or `ended` follows. */
  lost: Record<string, never>;
  microphone: MicrophoneState;
  /** The loudness of the microphone, 0 to 1 (root mean square), 50 times a second. */
  level: number;
  greeting: { reply: number | null; text: string };
  /** What the caller says, as recognised so far. `turn` follows with all of it. */
  transcript: { text: string; final: boolean };
  /** The caller's finished turn, spoken or typed. */
  turn: { text: string };
  /** Whether the agent works on a reply that is not audible yet. */
  thinking: boolean;
  toolCall: { reply: number | null; id: string; name: string; arguments: unknown };
  toolResult: { id: string; name: string; ok: boolean };
  /** The next piece of the text of a reply. */
  replyDelta: { reply: number | null; text: string };
  /** The whole text of a reply. */
  reply: { reply: number | null; text: string; steps: string[] };
  /** The first sound of a reply is played. */
  replyAudible: { reply: number | null };
  /** A reply was played to its end. */
  replyPlayed: { reply: number | null };
  /** A reply was cut off. `heard` is the part of it that was audible. */
  interrupted: { reply: number | null; heard: string };
  /** When a reply reached its stages, in ms. See "metrics" in the call protocol. */
  metrics: { reply: number | null; stagesMs: Record<string, number> };
  /** The conversation is forgotten. */
  reset: Record<string, never>;
  /** A problem. The call goes on unless `isFatal`. */
  error: CallError;
  /** The last event. */
  ended: CallEnd;
  /** Every message of the call protocol, as it comes, before the event made of it. */
  message: { type: string; [field: string]: unknown };
}

export type EndCause =
  | "hung_up"
  | "ended"
  | "token_failed"
  | "not_authorised"
  | "origin_not_allowed"
  | "no_such_agent"
  | "over_a_limit"
  | "could_not_start"
  | "agent_broken"
  | "draining"
  | "internal_error"
  | "unreachable"
  | "connection_lost";

export interface CallEnd {
  cause: EndCause;
  /** For the caller: what happened, and what to do. */
  message: string;
  /** False if somebody ended the call. */
  failed: boolean;
  /** The WebSocket's close code. */
  code: number;
  /** What the host gave as reason, or what `getToken` threw. For developers. */
  reason: string;
  /** The connection was lost before, and could not be restored. */
  wasLost: boolean;
}

export type ProblemCode =
  | "microphone_denied"
  | "microphone_not_found"
  | "microphone_busy"
  | "microphone_failed"
  | "microphone_silent"
  | "microphone_lost"
  | "microphone_replaced"
  | "speaker_failed"
  | "speaker_choice_unsupported"
  | "audio_insecure"
  | "audio_unsupported"
  | "audio_failed";

export declare class CallError extends Error {
  /** A `ProblemCode` of this browser, or an error code of the host. */
  readonly code: ProblemCode | (string & {});
  /** Whether the host sent it. */
  readonly isOfHost: boolean;
  /** Whether the call ends. */
  readonly isFatal: boolean;
}

export interface CallStats {
  /** Null without sound, and until the call is ready. */
  speaker: {
    playing: boolean;
    playedMs: number;
    peak: number;
    peakOfReply: Record<string, number>;
    underruns: number;
    overflowSamples: number;
    drops: number;
    holds: number;
  } | null;
  microphoneFrames: number;
  /** Microphone frames dropped because the network was too slow. */
  droppedFrames: number;
}

export interface Call {
  /** Adds a listener, and returns a function that removes it. */
  on<Name extends keyof CallEvents>(name: Name, listener: (detail: CallEvents[Name]) => void): () => void;

  readonly state: CallState;
  readonly microphone: MicrophoneState;
  /** The microphone in use, or null. */
  readonly inputDevice: Device | null;
  /** The id of the chosen loudspeaker, or null. */
  readonly outputDevice: string | null;
  readonly sessionId: string | null;
  /** Resumes this call in another page, once, within the host's grace period. Null if it cannot be resumed. It is a secret. */
  readonly resumeToken: string | null;
  /** Typed turns that were not sent yet, since there is no connection; after the end of the call, those that never were. */
  readonly unsent: string[];
  /** Why the call ended, or null. */
  readonly end: CallEnd | null;
  /** A copy of what was measured. */
  readonly stats: CallStats;

  /** Sends a typed turn, 1 to 4000 characters. Without a connection it is kept until there is one. */
  say(text: string): void;
  /** Stops the agent at once. */
  stopSpeaking(): void;
  /** Lets the agent forget the conversation. */
  reset(): void;

  /** Opens the microphone if it is off. A failure is an `error` event. */
  openMicrophone(options?: { muted?: boolean }): Promise<void>;
  /** Sends silence. */
  mute(): void;
  /** Speaks again. Opens the microphone if it is off. */
  unmute(): void;
  /** Releases the device. */
  closeMicrophone(): void;
  /** Rejects with a `CallError`; the present device is kept then. */
  chooseMicrophone(id: string): Promise<void>;
  /** Rejects with a `CallError`; the present device is kept then. */
  chooseSpeaker(id: string): Promise<void>;

  hangUp(): void;
}
