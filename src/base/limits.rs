//! Every bound of the daemon, with its unit. A full queue has a written answer beside it.

use std::time::Duration;

/// Live calls a box takes before new ones are refused with a busy answer.
pub const CALLS_MAX: usize = 2_000;
/// Audio of one turn kept for recognition; longer speech is cut into a turn at this length.
pub const TURN_AUDIO_MAX: Duration = Duration::from_secs(28);
/// Audio waiting to be played on one leg; more is refused by the playout queue (text waits instead).
pub const PLAYOUT_QUEUE_MAX: Duration = Duration::from_secs(60);
/// How far ahead of real time frames are sent to the carrier, so that `clear` stays cheap.
pub const PLAYOUT_LEAD: Duration = Duration::from_millis(60);
/// Leg events waiting for their call; when full the oldest audio is dropped and counted.
pub const LEG_EVENTS_QUEUE: usize = 256;
/// Leg commands waiting for the socket; a socket that is this far behind is closed as dead.
pub const LEG_COMMANDS_QUEUE: usize = 512;
/// One WebSocket message of a carrier, bytes. Larger ones close the socket.
pub const WIRE_MESSAGE_MAX: usize = 64 * 1024;
/// One webhook body, bytes. Larger ones get 413.
pub const WEBHOOK_BODY_MAX: usize = 64 * 1024;
/// A one-time token waits this long for its `start` message.
pub const STREAM_TOKEN_TTL: Duration = Duration::from_secs(60);
/// Unused tokens held at once; when full the oldest expires early.
pub const STREAM_TOKENS_MAX: usize = 10_000;
/// A carrier socket must send its `start` within this time.
pub const STREAM_START_WITHIN: Duration = Duration::from_secs(10);
/// A leg without a single media frame for this long is dead.
pub const LEG_SILENT_SOCKET_MAX: Duration = Duration::from_secs(15);
/// Caller neither speaks nor presses a key (requirement T8).
pub const INACTIVITY_MAX: Duration = Duration::from_secs(300);
/// A call ends at this age with a spoken goodbye, unless the agent's file says less.
pub const CALL_MAX: Duration = Duration::from_secs(3_600);
/// Live calls may finish for this long after SIGTERM.
pub const DRAIN_MAX: Duration = Duration::from_secs(120);
/// Messages of history sent to a language model.
pub const HISTORY_MESSAGES_MAX: usize = 24;
/// Characters of one reply; the rest is dropped at a clause boundary.
pub const REPLY_CHARS_MAX: usize = 1_200;
/// Text of one `/ai/process` or `ask`, characters.
pub const ASK_CHARS_MAX: usize = 2_000;
