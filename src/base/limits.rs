//! Every bound of the daemon, with its unit. A full queue has a written answer beside it.

use std::time::Duration;

/// Live calls a box takes before new ones are refused with a busy answer.
pub const CALLS_MAX: usize = 2_000;
/// Requests wait this long for an engine of the box, on the average: others are asked, if others may.
pub const ENGINE_WAIT_ELSEWHERE: Duration = Duration::from_millis(500);
/// The same: one more call would make all of them stutter, so it is not taken.
pub const ENGINE_WAIT_MAX: Duration = Duration::from_millis(1_500);
/// Pieces of a caller's sound on their way to a recogniser that hears it live; one that is so far
/// behind gets the utterance whole instead.
pub const LIVE_SOUND_QUEUE: usize = 256;
/// Callers waiting to be called back.
pub const CALLBACKS_MAX: usize = 10_000;
/// Audio of one turn kept for recognition; longer speech is cut into a turn at this length.
pub const TURN_AUDIO_MAX: Duration = Duration::from_secs(28);
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

/// A request to an engine waits this long for recognition before it is put to another worker.
pub const STT_ATTEMPT_MAX: Duration = Duration::from_secs(4);
/// The first token of a reply must come within this time.
pub const LLM_FIRST_TOKEN_MAX: Duration = Duration::from_secs(4);
/// The first sound of a clause must come within this time.
pub const TTS_FIRST_AUDIO_MAX: Duration = Duration::from_secs(3);
/// Between two pieces of one streamed answer.
pub const ENGINE_PIECE_MAX: Duration = Duration::from_secs(4);
/// One request from its start to its last piece, whatever it is.
pub const ENGINE_REQUEST_MAX: Duration = Duration::from_secs(60);
/// Frames waiting to be written to one worker; when full the request is refused as overloaded.
pub const ENGINE_ASKS_QUEUE: usize = 128;
/// Requests one worker holds at once; more are refused as overloaded.
pub const ENGINE_REQUESTS_MAX: usize = 64;
/// Pieces of one answer waiting to be read; a reader that falls so far behind loses its request.
pub const ENGINE_ANSWERS_QUEUE: usize = 4_096;
/// How often a worker is asked for a sign of life, and how many it may miss before it is killed.
pub const ENGINE_HEARTBEAT: Duration = Duration::from_secs(2);
pub const ENGINE_HEARTBEATS_MISSED_MAX: u32 = 3;
/// A worker loads its models within this time (large models come from slow disks).
pub const ENGINE_READY_WITHIN: Duration = Duration::from_secs(120);
/// Pause before a dead worker is started again: doubles from the first to the second.
pub const ENGINE_BACKOFF_MIN: Duration = Duration::from_millis(100);
pub const ENGINE_BACKOFF_MAX: Duration = Duration::from_secs(30);
/// A worker that lived this long is healthy: earlier deaths are forgotten.
pub const ENGINE_HEALTHY_AFTER: Duration = Duration::from_secs(60);
/// So many deaths without health in between are a crash loop.
pub const ENGINE_CRASH_LOOP: u32 = 5;
/// How often a worker's age is looked at.
pub const ENGINE_LOOK: Duration = Duration::from_secs(5);
/// A worker whose socket was closed ends within this time or is killed: when stopped, when dead.
pub const ENGINE_STOP_MAX: Duration = Duration::from_secs(2);
pub const ENGINE_DEATH_MAX: Duration = Duration::from_millis(100);
/// Bytes of one line of a worker's log, and lines in a window; more are dropped and counted.
pub const ENGINE_LOG_LINE_MAX: usize = 2_048;
pub const ENGINE_LOG_LINES_MAX: usize = 100;
pub const ENGINE_LOG_WINDOW: Duration = Duration::from_secs(10);
/// Conversations whose worker is remembered; the oldest is forgotten (and evaluated anew).
pub const CONVERSATIONS_MAX: usize = 8_192;
/// A sound file of the command line, bytes.
pub const SOUND_FILE_MAX: u64 = 512 * 1024 * 1024;
/// A webhook body must be there within this time.
pub const WEBHOOK_BODY_WITHIN: Duration = Duration::from_secs(10);
/// Messages a carrier's socket may send before its `start`; then it is closed.
pub const STREAM_MESSAGES_BEFORE_START: u32 = 64;
/// Carrier sockets that have not shown their token yet; further upgrades get 503.
pub const STREAMS_PENDING_MAX: usize = 1_024;
/// Marks sent and not yet echoed on one leg; the oldest counts as not played.
pub const LEG_MARKS_MAX: usize = 1_024;
/// A carrier that takes none of what we send for this long is dead.
pub const LEG_WRITE_STALL_MAX: Duration = Duration::from_secs(10);
/// After our close frame the carrier has this long for its own.
pub const LEG_CLOSE_WITHIN: Duration = Duration::from_secs(2);
/// Sample rates of Exotel's streams that are taken.
pub const EXOTEL_RATES: std::ops::RangeInclusive<u32> = 8_000..=48_000;
/// Those that can be asked of it.
pub const EXOTEL_RATES_ASKED: [u32; 3] = [8_000, 16_000, 24_000];
/// Each message of sound to Exotel is a multiple of this, bytes.
pub const EXOTEL_CHUNK_STEP: usize = 320;
/// Bytes of one such message: the least and the most Exotel takes, and the most that fits our buffers.
pub const EXOTEL_CHUNK: u32 = 3_200;
pub const EXOTEL_CHUNK_MAX: u32 = 32_000;
/// A piece that is not full waits for more sound as long as this, and until Exotel has only as much left.
pub const EXOTEL_CHUNK_PATIENCE: Duration = Duration::from_millis(40);
/// Exotel begins no piece of ours for so long after somebody may have begun to speak: as long as it takes to find
/// out, with messages of 100 ms. Who makes noises again within the next time is not waited for again.
pub const EXOTEL_HUSH: Duration = Duration::from_millis(160);
pub const EXOTEL_HUSH_AGAIN: Duration = Duration::from_secs(1);
/// Messages of Exotel whose bytes are compared with their times.
pub const EXOTEL_GAUGE_MESSAGES: u32 = 20;
/// Streams whose end Exotel has asked about and got an answer; the oldest is forgotten.
pub const EXOTEL_ANSWERS_MAX: usize = 4_096;
/// Characters of a summary that the carrier reads to whom it connects a caller with.
pub const EXOTEL_SUMMARY_CHARS: usize = 240;
/// Callers who hear at the same time that no line is free; others find the line dead.
pub const APOLOGIES_MAX: usize = 64;
/// One such apology, with the caller's answer.
pub const APOLOGY_LASTS_MAX: Duration = Duration::from_secs(60);
/// The caller's key must come so long after its last word.
pub const APOLOGY_KEY_WITHIN: Duration = Duration::from_secs(6);
/// Frames of an apology sent ahead of real time.
pub const APOLOGY_LEAD_FRAMES: usize = 10;
/// Buffers of one carrier socket, bytes: read, write before a flush, write at most.
pub const LEG_READ_BUFFER: usize = 4 * 1024;
pub const LEG_WRITE_BUFFER: usize = 4 * 1024;
pub const LEG_WRITE_BUFFER_MAX: usize = 64 * 1024;
/// Browsers' calls at once, negotiating ones included; further offers get 503.
pub const WEBRTC_SESSIONS_MAX: usize = 256;
/// An offer or a fragment of one, bytes. Larger ones get 413.
pub const WEBRTC_SDP_MAX: usize = 64 * 1024;
/// Lines, media sections and candidates of an offer; more are refused (candidates: left out).
pub const WEBRTC_SDP_LINES_MAX: usize = 2_048;
pub const WEBRTC_SECTIONS_MAX: usize = 8;
pub const WEBRTC_CANDIDATES_MAX: usize = 32;
/// Our own candidates are there within this time, or the answer goes out with those there are.
pub const WEBRTC_GATHER_MAX: Duration = Duration::from_secs(2);
/// From the offer to the answer; later the offer is refused.
pub const WEBRTC_ANSWER_MAX: Duration = Duration::from_secs(8);
/// From the answer to a line that is open, and from there to the first sound.
pub const WEBRTC_CONNECT_MAX: Duration = Duration::from_secs(20);
pub const WEBRTC_FIRST_MEDIA_MAX: Duration = Duration::from_secs(20);
/// A browser of which nothing is heard for this long is gone, long before its consent ends (30 s, RFC 7675): one
/// that is there sends sound all the time, and one that comes back carries its call on.
pub const WEBRTC_SILENT_MAX: Duration = Duration::from_secs(10);
/// A browser that was heard so lately is there; nobody carries its call on in its place.
pub const WEBRTC_THERE: Duration = Duration::from_secs(1);
/// An attempt to carry a call on has so long to open its line before another may take its place.
pub const WEBRTC_ATTEMPT: Duration = Duration::from_secs(3);
/// Times that a browser carries one call on; a line that breaks more often is not worth having.
pub const WEBRTC_RESUMES_MAX: u32 = 20;
/// A session ends at this age whatever its call does.
pub const WEBRTC_SESSION_MAX: Duration = Duration::from_secs(CALL_MAX.as_secs() + 120);
/// Packets that wait for one that they overtook; then it counts as lost.
pub const WEBRTC_HELD_MAX: usize = 3;
/// A held packet waits this long at most.
pub const WEBRTC_HELD_FOR: Duration = Duration::from_millis(80);
/// Lost packets in a row that the decoder makes up for; a longer gap is the call's to mend.
pub const WEBRTC_CONCEALED_MAX: u64 = 5;
/// Frames of ours waiting to be sent; the call paces, so that a full queue is a fault: the oldest goes.
pub const WEBRTC_PLAYOUT_MAX: usize = 64;
/// What a browser holds back before it plays; marks count as played so much later.
pub const WEBRTC_BROWSER_BUFFER: Duration = Duration::from_millis(60);
/// After a clear a browser's page is silent for so long: what was on its way and in its buffer passes unheard.
/// New sound waits for the end of it.
pub const WEBRTC_HUSH: Duration = Duration::from_millis(160);
/// Who speaks for so long without a pause is a machine (Twilio's `MachineDetectionSpeechThreshold`).
pub const AMD_GREETING: Duration = Duration::from_millis(2_400);
/// A greeting is over after a pause of this length (Twilio's `MachineDetectionSpeechEndThreshold`; Asterisk's
/// `AMD()` takes 800 ms, which cuts greetings in two).
pub const AMD_GREETING_END: Duration = Duration::from_millis(1_200);
/// The least speech that is a word (Asterisk's `AMD()`: minimum word length 100 ms; a cough is as long).
pub const AMD_WORD: Duration = Duration::from_millis(160);
/// With no sound at all for so long nobody can tell (Twilio's `MachineDetectionSilenceTimeout`).
pub const AMD_NOTHING: Duration = Duration::from_secs(5);
/// A machine that is silent for so long records, beep or not.
pub const AMD_MACHINE_END: Duration = Duration::from_millis(2_500);
/// A beep so soon after a short greeting is a machine's after all.
pub const AMD_BEEP_WITHIN: Duration = Duration::from_secs(3);
/// Pitch (Hz) and length of the beeps of answering machines, as GSM networks and PBXs make them.
pub const AMD_BEEP_HZ: std::ops::RangeInclusive<u32> = 380..=1_450;
pub const AMD_BEEP: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(2);
/// Nobody is listened to for longer (Twilio's `MachineDetectionTimeout`).
pub const AMD_LONGEST: Duration = Duration::from_secs(30);
/// How long a room answers a speaker, with the delays of a sound card: so much echo is modelled, and so long
/// after the agent the microphone stays shut.
pub const ECHO_TAIL: Duration = Duration::from_millis(400);
/// Calls over handsets of the box at once; further ones are refused.
pub const LOCAL_CALLS_MAX: usize = 8;
/// A handset says what it wants within this time after it is lifted.
pub const LOCAL_START_WITHIN: Duration = Duration::from_secs(5);
/// A handset of which no sound comes for this long is gone.
pub const LOCAL_SILENT_MAX: Duration = Duration::from_secs(15);
/// Times that a handset carries one call on.
pub const LOCAL_RESUMES_MAX: u32 = 20;
/// A handset whose socket broke waits so long between its attempts to carry the call on.
pub const LOCAL_AGAIN_AFTER: Duration = Duration::from_millis(300);
/// Frames of ours waiting for the speaker; the call paces, so that a full queue is a fault: the oldest goes.
pub const LOCAL_PLAYOUT_MAX: usize = 64;
/// What a handset holds back before the speaker plays it; marks count as played so much later.
pub const LOCAL_SPEAKER_BUFFER: Duration = Duration::from_millis(60);
/// Bytes that a handset has not taken; a fact that does not fit is left out, and twice as much ends the call.
pub const LOCAL_OUTBOX_MAX: usize = 256 * 1024;
/// Samples between a sound card and the call, at the card's rate: a second at 192 kHz.
pub const LOCAL_RING: usize = 192_000;
/// Sound kept for a file, longest.
pub const LOCAL_TAPE_MAX: Duration = CALL_MAX;
/// One message on the data channel, bytes, and how many a second; more are not read.
pub const WEBRTC_MESSAGE_MAX: usize = 2 * 1024;
pub const WEBRTC_MESSAGES_PER_SECOND: u32 = 30;
/// Facts on their way to a browser; one that is so far behind misses the newest.
pub const WEBRTC_FACTS_QUEUE: usize = 256;
/// Bytes on a data channel that the browser has not taken; further messages are left out.
pub const WEBRTC_CHANNEL_BUFFER: usize = 256 * 1024;
/// Handing one packet to the connection, and closing it.
pub const WEBRTC_WRITE_MAX: Duration = Duration::from_secs(2);
pub const WEBRTC_CLOSE_MAX: Duration = Duration::from_secs(2);
/// A browser has so long to take the last messages before its line is closed.
pub const WEBRTC_LAST_WORDS_MAX: Duration = Duration::from_millis(500);
/// TLS handshakes under way at once; further connections wait. Each has so long.
pub const TLS_HANDSHAKES_MAX: usize = 128;
pub const TLS_HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Lost audio that is filled in by faded repetition; the rest of a gap is silence.
pub const GAP_CONCEALED_MAX: Duration = Duration::from_millis(200);
/// Silence put in for one gap in a carrier's audio; beyond that its clock is taken to have jumped.
pub const GAP_FILLED_MAX: Duration = Duration::from_secs(1);
/// One configuration file, bytes. Larger ones are refused.
pub const CONFIG_FILE_MAX: u64 = 1024 * 1024;
/// Characters inside `[[…]]` of a model's answer; a longer one is no tag and is dropped.
pub const TAG_CHARS_MAX: usize = 100;
/// Characters one clause may hold before it is cut at a space.
pub const CLAUSE_CHARS_MAX: usize = 220;
/// Records waiting to be written; when full, records that need not be durable are dropped, counted.
pub const JOURNAL_QUEUE: usize = 8_192;
/// The caller has been silent for this long, is waiting for an answer and hears nothing yet: a filler
/// is said. A pause of more than 1.2 s sounds like a dead line.
pub const FILLER_AFTER: Duration = Duration::from_millis(1_000);
/// The same in the middle of an answer whose next words do not come, and after a filler.
pub const FILLER_INSIDE_AFTER: Duration = Duration::from_millis(400);
/// Of one answer; who waits longer is told no more than this.
pub const FILLERS_MAX: u32 = 2;
/// A committed turn without any reply for this long is given up with an apology.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// A mark that the carrier never echoes counts as played this long after its last frame.
pub const MARK_WITHIN: Duration = Duration::from_millis(700);
/// The last line of a call may take this long to be synthesised and played.
pub const FAREWELL_MAX: Duration = Duration::from_secs(25);
/// Tokens of one written reply.
pub const REPLY_TOKENS_MAX: u32 = 200;
/// Tokens of one classification.
pub const CHOICE_TOKENS_MAX: u32 = 64;
/// An announced call whose media has not come by then is over (menus included).
pub const ANNOUNCED_MAX: Duration = Duration::from_secs(180);
/// A call the box has placed rings as long as it was told; its media or the carrier's news must be there
/// so long after that.
pub const DIAL_GRACE: Duration = Duration::from_secs(60);
/// How long a call may be told to ring, and how long it does when nobody says.
pub const RING_MAX: Duration = Duration::from_secs(120);
pub const RING_USUAL: Duration = Duration::from_secs(35);
/// A carrier has so long to take an order.
pub const DIAL_WITHIN: Duration = Duration::from_secs(15);
/// The router's decisions of one call that are shown; older ones are in the journal.
pub const VIEW_DECISIONS_MAX: usize = 256;
/// Facts of a live call kept in memory for those who watch it.
pub const VIEW_EVENTS_MAX: usize = 512;
/// Ended calls still shown by `/sessions/{id}`.
pub const ENDED_CALLS_SHOWN: usize = 500;
/// Sound kept of lines said before, samples of all rates (32 MiB).
pub const LINE_CACHE_SAMPLES: usize = 16 * 1024 * 1024;
/// Longer texts are never said twice; they are not kept.
pub const LINE_CACHE_CHARS: usize = 400;
/// Characters of one turn's text that are read for language, intent and end of turn; the rest is
/// kept in the transcript but decides nothing.
pub const HEARD_CHARS_MAX: usize = 1_000;
/// Words of one utterance that are searched for amounts, dates and times; the rest is not read.
pub const SLOT_WORDS_MAX: usize = 400;
/// Writes waiting for one database; when full, async writers wait and calls' facts are dropped, counted.
pub const STORE_QUEUE: usize = 8_192;
/// Writes that share one commit: more of them would make the first wait too long.
pub const STORE_BATCH_MAX: usize = 512;
/// Readers of one database at once, and connections kept open for them; further reads wait.
pub const STORE_READERS: usize = 4;
/// Another process (the command line) may hold a database for this long before we give up.
pub const STORE_BUSY_MAX: Duration = Duration::from_secs(5);
/// Pages in memory: of the writer of a database, and of each of its readers, KiB.
pub const STORE_WRITER_CACHE_KIB: i64 = 8 * 1024;
pub const STORE_READER_CACHE_KIB: i64 = 16 * 1024;
/// The log of a database is cut back to this size when it has been longer, bytes.
pub const STORE_WAL_KEPT: i64 = 32 * 1024 * 1024;
/// Customers of one box.
pub const TENANTS_MAX: usize = 200;
/// Ended calls whose tenant is remembered, for facts that come late.
pub const CALL_TENANTS_MAX: usize = 8_192;
/// Days of spending that are kept.
pub const SPENDING_DAYS: u64 = 92;
/// Rows of one day's spending; further tenants share one.
pub const SPENDING_ROWS_MAX: usize = 4_096;
/// Bytes of one day's spending: a longer file is written anew, and one beyond the second is not ours.
pub const SPENDING_FILE_LONG: u64 = 256 * 1024;
pub const SPENDING_FILE_MAX: u64 = 16 * 1024 * 1024;
/// Rows and bytes of what was measured of engines.
pub const QUALITY_ROWS_MAX: usize = 10_000;
pub const QUALITY_FILE_MAX: u64 = 16 * 1024 * 1024;
/// Turns of a call whose cost is told one by one; the rest is told with the last of them.
pub const COST_TURNS_MAX: usize = 256;
/// Rows a stage of what a call would have cost elsewhere, and providers that could have done it all.
pub const ELSEWHERE_ROWS_MAX: usize = 32;

/// Backups that may be kept, and the longest time between two, hours (four weeks).
pub const BACKUPS_KEPT_MAX: u32 = 1_000;
pub const BACKUP_EVERY_MAX_HOURS: u32 = 672;
/// Pages copied of a database before it is asked whether to stop (1 MiB).
pub const BACKUP_STEP_PAGES: i32 = 256;
/// Members of a backup beside objects: databases, keys, documents. More is no state of ours.
pub const BACKUP_MEMBERS_MAX: usize = 100_000;
/// Bytes of a backup's manifest.
pub const BACKUP_MANIFEST_MAX: u64 = 32 * 1024 * 1024;
/// Room left on the state's disk beside what a copy needs, bytes.
pub const BACKUP_ROOM_SPARE: u64 = 64 * 1024 * 1024;
/// Backups whose last verification is remembered.
pub const BACKUP_VERDICTS_MAX: usize = 64;
/// Bytes of a part of an upload: above it a file goes up in parts. S3 takes 10 000 of them, so a
/// file may have 160 GB; it wants at least 5 MiB.
pub const DEPOT_PART: usize = 16 * 1024 * 1024;
/// One request to a bucket, its body included; failed ones are tried again for so long.
pub const DEPOT_REQUEST_MAX: Duration = Duration::from_secs(120);
pub const DEPOT_CONNECT_MAX: Duration = Duration::from_secs(5);
pub const DEPOT_RETRY_FOR: Duration = Duration::from_secs(60);
pub const DEPOT_RETRIES_MAX: usize = 6;
/// Names of one listing; who wants more goes on after the last.
pub const DEPOT_LISTED_MAX: usize = 10_000;
/// Characters of a name in a folder or bucket, and its parts between slashes.
pub const DEPOT_NAME_MAX: usize = 512;
pub const DEPOT_NAME_PARTS_MAX: usize = 16;
/// A file with certificates of the site's own authorities, bytes.
pub const EXTRA_ROOTS_MAX: u64 = 1024 * 1024;
/// An object that is read into memory, bytes (an hour of stereo sound at 8 kHz has 115 MB).
pub const OBJECT_MAX: u64 = 256 * 1024 * 1024;
/// Free on the disk of the state, bytes: below the first no new campaign starts, below the second
/// it counts as full; a tenth more must be free before it counts as better.
pub const DISK_LOW: u64 = 1024 * 1024 * 1024;
pub const DISK_FULL: u64 = 200 * 1024 * 1024;
/// Kept back on that disk for a start on a full one, bytes: for the box, and for each tenant. SQLite
/// needs 32 KiB of index for a database before anything in it can be read.
pub const RESERVE_BOX: u64 = 1024 * 1024;
pub const RESERVE_TENANT: u64 = 64 * 1024;
/// How often what could not be written is tried again.
pub const STORE_RETRY: Duration = Duration::from_secs(5);
/// What is refused for want of room may be asked for again after this time.
pub const NO_ROOM_RETRY: Duration = Duration::from_secs(60);
/// Lost transactions of one database are told at once and then this often; they count as over when
/// none was lost for the second time.
pub const STORE_COMPLAIN_EVERY: Duration = Duration::from_secs(60);
pub const STORE_WELL_AFTER: Duration = Duration::from_secs(10);
/// Facts of calls (beginnings, states, costs, ends) that wait in memory for room on the disk; further
/// ones are lost and counted. One has about 400 bytes.
pub const LATE_FACTS_MAX: usize = 50_000;
/// Tries of a late fact that fail for other reasons than a full disk before it counts as lost.
pub const LATE_TRIES_MAX: u32 = 20;
/// How often it is looked at, and what is written to see whether writing works again, bytes.
pub const DISK_LOOK: Duration = Duration::from_secs(5);
pub const DISK_PROBE: usize = 64 * 1024;
/// A write-ahead log longer than this is worked off, bytes; how often it is looked at.
pub const WAL_LONG: u64 = 64 * 1024 * 1024;
pub const UPKEEP_LOOK: Duration = Duration::from_secs(60);
/// The hour of the site's clock at which databases are checked and tidied.
pub const UPKEEP_HOUR: u8 = 4;
/// Free pages given back to the disk in one write, and pages left for what comes next.
pub const VACUUM_PAGES: u32 = 512;
pub const VACUUM_LEAVE_PAGES: u32 = 1_024;
/// Faults of one database that are told.
pub const CHECK_FAULTS_MAX: usize = 20;

/// Webhook endpoints of one tenant.
pub const WEBHOOKS_MAX: usize = 50;
/// Characters of an endpoint's address.
pub const WEBHOOK_URL_MAX: usize = 2_000;
/// Characters of what an endpoint is called.
pub const WEBHOOK_ABOUT_MAX: usize = 200;
/// Bytes of one payload; a longer one is refused to whoever wants to publish it.
pub const WEBHOOK_PAYLOAD_MAX: usize = 256 * 1024;
/// Characters of one text inside a payload; the rest is cut off.
pub const WEBHOOK_TEXT_MAX: usize = 4_000;
/// One attempt, from the name's resolution to the answer's status.
pub const WEBHOOK_ATTEMPT_MAX: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read (and thrown away) so that the connection can be used again.
pub const WEBHOOK_ANSWER_MAX: usize = 16 * 1024;
/// They must come within this time.
pub const WEBHOOK_ANSWER_WITHIN: Duration = Duration::from_millis(500);
/// Attempts of one tenant at once, unless configured, and to one endpoint.
pub const WEBHOOK_PARALLEL: u32 = 16;
pub const WEBHOOK_PARALLEL_MAX: u32 = 256;
pub const WEBHOOK_PARALLEL_ONE: usize = 4;
/// Pause before another attempt: drawn between the first and a bound that doubles up to the second.
pub const WEBHOOK_BACKOFF_MIN: Duration = Duration::from_secs(1);
pub const WEBHOOK_BACKOFF_MAX: Duration = Duration::from_secs(3_600);
/// Attempts after which a webhook becomes a dead letter, however young it is.
pub const WEBHOOK_ATTEMPTS_MAX: u32 = 500;
/// So many failures in a row open an endpoint's circuit; its pause doubles between the other two.
pub const WEBHOOK_CIRCUIT_FAILURES: u32 = 5;
pub const WEBHOOK_CIRCUIT_MIN: Duration = Duration::from_secs(5);
pub const WEBHOOK_CIRCUIT_MAX: Duration = Duration::from_secs(900);
/// Webhooks waiting for one endpoint; when full, the oldest becomes a dead letter (`queue full`).
pub const OUTBOX_WAITING_MAX: u64 = 100_000;
/// Dead letters of one endpoint; beyond it the oldest are forgotten, counted.
pub const OUTBOX_DEAD_MAX: u64 = 200_000;
/// Rows of one endpoint held in memory to choose the next from.
pub const OUTBOX_WINDOW: usize = 64;
/// Rows changed in one transaction by sweeps, replays and the like.
pub const OUTBOX_BATCH: usize = 500;
/// How often a courier looks into the outbox without being told, and cleans it.
pub const OUTBOX_LOOK: Duration = Duration::from_secs(5);
pub const OUTBOX_SWEEP: Duration = Duration::from_secs(600);
/// Attempts under way may end within this time after the daemon was told to stop.
pub const OUTBOX_STOP_MAX: Duration = Duration::from_secs(3);
/// A result that could not be written is written again after this time.
pub const OUTBOX_WRITE_AGAIN: Duration = Duration::from_secs(2);
/// The replaced secret of an endpoint goes on signing for this long, unless told otherwise.
pub const WEBHOOK_OLD_SECRET: Duration = Duration::from_secs(24 * 3_600);

/// Bytes of a request's body to the access API (logins, users, keys); larger ones get 413.
pub const ACCESS_BODY_MAX: usize = 16 * 1024;
/// Characters of a password. Less is guessed; more only costs time to hash.
pub const PASSWORD_CHARS_MIN: usize = 12;
pub const PASSWORD_CHARS_MAX: usize = 256;
/// Argon2id (OWASP's second choice of 2023): KiB of memory and passes of one hash.
pub const PASSWORD_KIB: u32 = 19 * 1024;
pub const PASSWORD_PASSES: u32 = 2;
/// Passwords waiting for a core; when full further logins are told to come again.
pub const PASSWORD_QUEUE: usize = 16;
/// Characters of a login, and of a name that people read.
pub const LOGIN_CHARS_MAX: usize = 128;
pub const NAME_CHARS_MAX: usize = 120;
/// Bytes of a browser's name that are kept with a session.
pub const AGENT_BYTES_MAX: usize = 200;
/// Sessions of one person; a further login ends the oldest.
pub const SESSIONS_OF_ONE_MAX: usize = 16;
/// A session's `last seen` is written this often at most.
pub const SEEN_EVERY: Duration = Duration::from_secs(60);
/// The same of an API key's `last used`.
pub const USED_EVERY: Duration = Duration::from_secs(60);
/// A token lives this long at most.
pub const TOKEN_MAX: Duration = Duration::from_secs(3_600);
/// Tokens alive at once that one key or person has issued.
pub const TOKENS_OF_ONE_MAX: usize = 1_000;
/// The code of the first start.
pub const SETUP_CODE_TTL: Duration = Duration::from_secs(24 * 3_600);
/// The code with which somebody sets a password.
pub const RESET_CODE_TTL: Duration = Duration::from_secs(24 * 3_600);
/// From the leave to the provider until the return.
pub const OIDC_LOGIN_TTL: Duration = Duration::from_secs(600);
/// Logins under way at the provider; when full the oldest is forgotten.
pub const OIDC_LOGINS_MAX: usize = 1_000;
/// One request to the provider, and how long what it says of itself is believed.
pub const OIDC_REQUEST_MAX: Duration = Duration::from_secs(10);
pub const OIDC_DISCOVERY_TTL: Duration = Duration::from_secs(3_600);
/// Discovery is asked again this often at most, where a key is unknown or it failed.
pub const OIDC_DISCOVERY_PAUSE: Duration = Duration::from_secs(10);
/// Bytes of one answer of the provider.
pub const OIDC_ANSWER_MAX: usize = 512 * 1024;
/// Clocks of provider and box may differ by this.
pub const OIDC_CLOCK_SKEW: Duration = Duration::from_secs(60);
/// Accounts and addresses whose failed logins are remembered, and keys and addresses whose requests
/// are counted; when full the one that was quiet longest is forgotten.
pub const THROTTLED_MAX: usize = 20_000;
/// Failed logins before the next one has to wait: of one account from one address, of one account from
/// anywhere, of one address for any account.
pub const LOGIN_TRIES_HERE: u32 = 5;
pub const LOGIN_TRIES_ACCOUNT: u32 = 20;
pub const LOGIN_TRIES_ADDRESS: u32 = 30;
/// The wait doubles with each further failure up to this. An account is never closed from everywhere
/// for longer than the second, so that a stranger cannot lock somebody out.
pub const LOGIN_WAIT_MAX: Duration = Duration::from_secs(900);
pub const LOGIN_WAIT_ACCOUNT_MAX: Duration = Duration::from_secs(30);
/// Failures are forgotten after this long without one.
pub const LOGIN_FORGOTTEN: Duration = Duration::from_secs(3_600);
/// Rows of one page of users, keys, tokens or tenants.
pub const ACCESS_PAGE_MAX: u32 = 200;
/// One text of an audit entry (a name, an id), bytes; the rest is cut with a mark.
pub const AUDIT_TEXT_MAX: usize = 256;
/// The detail of an audit entry, bytes of JSON; a longer one is replaced by its length.
pub const AUDIT_DETAIL_MAX: usize = 8 * 1024;
/// The heads of audit chains that grew are signed this often: what somebody could cut off unseen.
pub const AUDIT_HEAD_EVERY: Duration = Duration::from_secs(300);
/// Somebody who reads the words of one call again within this time is not written down again.
pub const READING_FOLDED: Duration = Duration::from_secs(15 * 60);
/// Readings that are remembered for it; the oldest are forgotten, and written down when they go on.
pub const READINGS_KEPT: usize = 10_000;
/// Signed heads in one answer.
pub const AUDIT_HEADS_SHOWN: usize = 100;
/// Pieces of a large body on their way between a socket and a thread.
pub const STREAM_PIECES: usize = 8;
/// Rows deleted in one transaction of a sweep: calls wait for the writer no longer than that takes.
pub const SWEEP_BATCH: u64 = 500;
/// Between two of them others' writes are done.
pub const SWEEP_PAUSE: Duration = Duration::from_millis(20);
/// Whether a sweep is due is looked at this often.
pub const SWEEP_LOOK: Duration = Duration::from_secs(300);
/// Objects outside the databases that are removed between two looks at the list of them.
pub const SWEEP_OBJECTS: usize = 100;
/// A reason, a notice's version or another short text of the data-protection records, bytes.
pub const PROTECTION_TEXT_MAX: usize = 1_000;
/// Legal holds in force at once in one tenant.
pub const HOLDS_MAX: usize = 10_000;
/// Entries of one number that the consent ledger shows.
pub const CONSENT_HISTORY_MAX: usize = 10_000;
/// Clocks of those who note consents may be ahead of the box's by this much, milliseconds.
pub const CONSENT_AHEAD_MAX_MS: u64 = 10 * 60 * 1_000;
/// After an opt-out nobody is asked for consent again for 90 days, milliseconds.
pub const OPT_OUT_QUIET_MS: u64 = 90 * 86_400_000;
/// Who was connected with whom and when stays for a year after the call although the person is erased
/// (DPDP Rules 2025 r. 8), milliseconds.
pub const CALL_FACTS_KEPT_MS: u64 = 365 * 86_400_000;
/// Lines of one do-not-disturb file; a longer one is refused whole.
pub const DND_LINES_MAX: u64 = 10_000_000;
/// One line of it, bytes; a longer one is rejected, the others are not.
pub const DND_LINE_MAX: usize = 4 * 1024;
/// Lines of it written in one transaction.
pub const DND_BATCH: usize = 2_000;
/// One do-not-disturb file, bytes.
pub const DND_FILE_MAX: u64 = 1024 * 1024 * 1024;
/// An import that wrote nothing for this long is given up, milliseconds.
pub const DND_STALE_MS: u64 = 10 * 60 * 1_000;
/// An uploaded list of customers: bytes of the file, bytes of a workbook once unpacked, rows, columns,
/// characters of one cell. Larger lists are refused whole and told so.
pub const UPLOAD_BYTES_MAX: usize = 16 * 1024 * 1024;
pub const UPLOAD_UNPACKED_MAX: u64 = 192 * 1024 * 1024;
pub const UPLOAD_ROWS_MAX: usize = 100_000;
pub const UPLOAD_COLUMNS_MAX: usize = 64;
pub const UPLOAD_CELL_CHARS_MAX: usize = 2_000;
/// Lists read at once: each may take a few hundred MiB; further ones are told to come back.
pub const UPLOADS_AT_ONCE: usize = 2;
/// Customers of a list that share one write, so that calls' facts get in between.
pub const UPLOAD_BATCH: usize = 250;
/// What one request for a call may tell the agent of the person.
pub const CALL_FACTS_MAX: usize = 32;
/// Characters of one text of a customer, of the comments, and bytes and keys of what a list adds.
pub const CUSTOMER_TEXT_CHARS_MAX: usize = 200;
pub const CUSTOMER_COMMENT_CHARS_MAX: usize = 2_000;
pub const CUSTOM_KEYS_MAX: usize = 32;
pub const CUSTOM_KEY_CHARS_MAX: usize = 60;
pub const CUSTOM_BYTES_MAX: usize = 16 * 1024;
/// Ten thousand crore rupees.
pub const AMOUNT_PAISE_MAX: i64 = 10_000_000_000_000;
/// Rows of one page of a list: usual, and at most.
pub const PAGE_USUAL: usize = 50;
pub const PAGE_MAX: usize = 500;
/// Rows of one CSV export; the cursor for the rest is in its `link` header.
pub const CSV_ROWS_MAX: usize = 10_000;
/// One JSON body of the API, bytes. Larger ones get 413.
pub const API_BODY_MAX: usize = 1024 * 1024;
/// Of a request that is refused, so much of its body is still taken, for so long, that its client
/// comes to read the answer.
pub const LINGER_BYTES_MAX: usize = 64 * 1024 * 1024;
pub const LINGER: Duration = Duration::from_secs(3);
/// One version of a document, bytes, and versions of one document.
pub const DOCUMENT_BYTES_MAX: usize = 512 * 1024;
pub const DOCUMENT_VERSIONS_MAX: i64 = 10_000;
/// Lines of two versions that are compared; longer ones are shown as replaced whole.
pub const DIFF_LINES_MAX: usize = 4_000;
/// Answers to requests with an idempotency key are kept for this long, and up to this size, bytes.
pub const IDEMPOTENCY_KEPT: Duration = Duration::from_secs(24 * 3_600);
pub const IDEMPOTENCY_BODY_MAX: usize = 256 * 1024;
/// Characters of an idempotency key.
pub const IDEMPOTENCY_KEY_MAX: usize = 200;
/// Live events waiting for one watcher; a slower one misses the oldest and is told how many.
pub const LIVE_QUEUE: usize = 1_024;
/// Live events kept for watchers that come back.
pub const LIVE_KEPT: usize = 2_048;
/// Watchers at once; further ones get 503.
pub const LIVE_WATCHERS_MAX: usize = 200;
/// A watcher comes again after this time: whether it still may is looked at anew.
pub const LIVE_WATCH_MAX: Duration = Duration::from_secs(3_600);
/// A watcher hears at least this often from the box.
pub const LIVE_HEARTBEAT: Duration = Duration::from_secs(15);
/// A watcher that takes nothing for this long is gone.
pub const LIVE_WRITE_MAX: Duration = Duration::from_secs(10);
/// A ticket for the live socket is taken within this time, and so many are open at once.
pub const LIVE_TICKET_TTL: Duration = Duration::from_secs(30);
pub const LIVE_TICKETS_MAX: usize = 1_000;
/// Days of analytics in one answer.
pub const ANALYTICS_DAYS_MAX: u32 = 366;
/// How often sessions, codes and tokens that are over are forgotten.
pub const ACCESS_SWEEP: Duration = Duration::from_secs(300);

/// Every audit trail is verified to its last entry this often.
pub const AUDIT_CHECK_EVERY: Duration = Duration::from_secs(6 * 3_600);
/// How often the box looks at itself, and at what changes slowly (files, disk, clock).
pub const HEALTH_LOOK: Duration = Duration::from_secs(5);
pub const HEALTH_LOOK_SLOW: Duration = Duration::from_secs(60);
/// How often a certificate is fetched; it changes every few weeks.
pub const CERTIFICATE_LOOK: Duration = Duration::from_secs(6 * 3_600);
/// One look at one part must end within this time; then the part counts as stuck.
pub const HEALTH_LOOK_MAX: Duration = Duration::from_secs(10);
/// Alerts remembered at once; further ones are counted and not told.
pub const ALERTS_MAX: usize = 128;
/// Alerts that were cleared and are still shown.
pub const ALERTS_PAST_MAX: usize = 100;
/// Values of one label of a metric; further ones are counted as `other`.
pub const LABEL_VALUES_MAX: usize = 64;
/// Log entries on their way to the journal; when full they are dropped and counted: a call never
/// waits for a log.
pub const LOG_QUEUE: usize = 4_096;
/// Bytes of one field and number of fields of one log entry; the rest is cut off.
pub const LOG_FIELD_MAX: usize = 4_096;
pub const LOG_FIELDS_MAX: usize = 48;
/// What is still queued at the end may take this long to be written.
pub const LOG_FLUSH_MAX: Duration = Duration::from_secs(1);
/// Spans on their way to the collector; when full they are dropped and counted.
pub const TRACE_QUEUE: usize = 8_192;
/// Spans of one export, and how long it may take; a collector that is slower loses the batch.
pub const TRACE_BATCH: usize = 512;
pub const TRACE_EXPORT_MAX: Duration = Duration::from_secs(5);
/// Spans wait this long for others to go with them.
pub const TRACE_GATHER: Duration = Duration::from_secs(1);
/// Calls whose spans are being gathered, and spans of one call; further ones are counted.
pub const TRACE_CALLS_MAX: usize = 4_096;
pub const TRACE_CALL_SPANS_MAX: usize = 2_048;
/// How often the daemon looks for tenants that the command line has made or removed.
pub const TENANTS_LOOK: Duration = Duration::from_secs(3);
/// Facts of one call that are read at once.
pub const EVENTS_OF_CALL_MAX: usize = 20_000;

/// A document that comes with an order to Twilio's API, bytes.
pub const TWILIO_TWIML_MAX: usize = 4_000;
/// Where it is not clear whether somebody was moved into a room of Twilio's, the room is looked into this
/// often, each time after this pause.
pub const TWILIO_ROOM_LOOKS: usize = 3;
pub const TWILIO_ROOM_LOOK: Duration = Duration::from_millis(700);
/// A caller and a person who talk without the box do so for this long at most.
pub const PERSON_TALK_MAX: Duration = Duration::from_secs(4 * 3_600);
/// Callers wait meanwhile: Twilio has so long to move somebody, and so long to say who is in a room.
pub const TWILIO_MOVE_WITHIN: Duration = Duration::from_secs(3);
pub const TWILIO_SETTLE_WITHIN: Duration = Duration::from_millis(2_500);

/// Messages for a telephone exchange that wants no more for now; when full the oldest sound is dropped.
pub const PBX_HELD_MAX: usize = 400;
/// An exchange that has said nothing for this long is asked whether it is there.
pub const PBX_SILENCE_ASKED: Duration = Duration::from_secs(5);
/// One that cannot be asked is dead after this long without sound; a caller on hold sends none.
pub const PBX_SILENT_MAX: Duration = Duration::from_secs(60);
/// Sound sent ahead of its time to a peer whose queue cannot be emptied, so that a late timer is not
/// heard; what is queued on our side beyond it can still be thrown away.
pub const AUDIOSOCKET_LEAD: Duration = Duration::from_millis(40);
/// Sound queued for such a peer; when full the oldest is dropped and counted.
pub const AUDIOSOCKET_QUEUE: Duration = Duration::from_secs(4);
/// AudioSockets that have not shown their id; further connections are closed.
pub const AUDIOSOCKET_PENDING_MAX: usize = 256;
/// An AudioSocket must show its id within this time.
pub const AUDIOSOCKET_ID_WITHIN: Duration = Duration::from_secs(3);
/// Bytes read from an AudioSocket at once.
pub const AUDIOSOCKET_READ: usize = 8 * 1024;
/// Channels that the box has ordered of Asterisk and that are not known to be gone.
pub const ARI_ORDERED_MAX: usize = 2_048;
/// Bytes of one event of Asterisk's; a longer one breaks the connection.
pub const ARI_EVENT_MAX: usize = 256 * 1024;
/// Asterisk's event connection must be there within this time, and one that was silent for the second is
/// asked for a sign of life.
pub const ARI_READY_WITHIN: Duration = Duration::from_secs(5);
pub const ARI_SILENCE_ASKED: Duration = Duration::from_secs(30);
/// Whether a channel is still there is asked so often, once its order is so old that it must be
/// answered ([`DIAL_WITHIN`]), and an answer takes so long at most.
pub const ARI_LOOK_EVERY: Duration = Duration::from_secs(20);
pub const ARI_LOOK_AFTER: Duration = Duration::from_secs(20);
pub const ARI_LOOK_WITHIN: Duration = Duration::from_secs(5);
/// Sound of one file that FreeSWITCH is given to play: short, so that an answer begins soon.
pub const FREESWITCH_FILE: Duration = Duration::from_millis(400);
/// One header block and one body of FreeSWITCH's event socket, bytes; beyond it the connection is broken.
pub const ESL_HEADERS_MAX: usize = 64 * 1024;
pub const ESL_BODY_MAX: usize = 4 * 1024 * 1024;
/// The same of a connection that FreeSWITCH opens for one channel.
pub const ESL_CHANNEL_BODY_MAX: usize = 128 * 1024;
/// Commands waiting for the event socket; when full they are refused to whoever gave them.
pub const ESL_COMMANDS_QUEUE: usize = 512;
/// Commands and jobs without an answer; further commands are refused.
pub const ESL_OPEN_MAX: usize = 1_024;
/// Login and subscription must be done within this time.
pub const ESL_READY_WITHIN: Duration = Duration::from_secs(5);
/// A command is answered at once; a job (all but originate) within the second.
pub const ESL_REPLY_WITHIN: Duration = Duration::from_secs(5);
pub const ESL_JOB_WITHIN: Duration = Duration::from_secs(10);
/// A connection that has been silent for so long is asked for a sign of life.
pub const ESL_SILENCE_ASKED: Duration = Duration::from_secs(20);
/// Pause before the event socket is connected again: doubles from the first to the second.
pub const ESL_BACKOFF_MIN: Duration = Duration::from_millis(500);
pub const ESL_BACKOFF_MAX: Duration = Duration::from_secs(30);
/// A call that is placed rings for this long at most, and its result may take so much longer.
pub const ORIGINATE_RING_MAX: Duration = Duration::from_secs(120);
pub const ORIGINATE_GRACE: Duration = Duration::from_secs(15);
/// A placed call ends by itself within its limit, goodbye and all; one that outlives it by this is cut.
pub const PLACED_GRACE: Duration = Duration::from_secs(5);
/// A failure within this time is the verdict of an order; a later one is news of a call that was placed.
pub const ORIGINATE_SOON: Duration = Duration::from_secs(5);
/// Event sockets that FreeSWITCH opened and that have not become a call; further ones are closed.
pub const ESL_PENDING_MAX: usize = 256;
/// Keys pressed on one FreeSWITCH call that its leg has not taken; further ones are lost.
pub const FREESWITCH_KEYS_QUEUE: usize = 32;
/// A FreeSWITCH stream that is said to be over, and of which nothing comes for so long, is over.
pub const FREESWITCH_DOUBT: Duration = Duration::from_secs(1);
/// Streams that are asked for again in one FreeSWITCH call after one broke; then the call is over.
pub const FREESWITCH_AGAIN_MAX: u32 = 40;
/// Pause before the next of them, if the last one did not come.
pub const FREESWITCH_AGAIN_PAUSE: Duration = Duration::from_millis(500);
/// How often one call may seek a person; then the caller is told that nobody is free, and the call ends.
pub const TRANSFER_TRIES_MAX: u32 = 2;
/// Persons that an agent's file may name, tried one after another.
pub const TRANSFER_TARGETS_MAX: usize = 8;
/// A person's phone rings for so long, usually; seconds.
pub const TRANSFER_RING_SECONDS: u32 = 25;
/// What a carrier may take beyond the ringing before an attempt counts as failed.
pub const TRANSFER_RING_GRACE: Duration = Duration::from_secs(10);
/// A caller who waits for a person hears a word at least this often.
pub const TRANSFER_HOLD_EVERY: Duration = Duration::from_secs(12);
/// After the question a person has so long to press a key; it is asked twice.
pub const CONSULT_KEY_WITHIN: Duration = Duration::from_secs(8);
/// Whatever the voices do, a person has decided within this time of answering.
pub const CONSULT_MAX: Duration = Duration::from_secs(90);
/// Characters of the caller's own words that a person is told.
pub const CONSULT_WORDS_MAX: usize = 160;
/// A caller's media connection that broke is back within this time, or the call is over.
pub const RESUME_WITHIN: Duration = Duration::from_secs(20);
/// What the agent said since the caller's last sound is said again after a break, this much of it at most.
pub const RESUME_UNHEARD_MAX: Duration = Duration::from_secs(6);
/// A carrier that says that a call's media is over is believed after this time, if the box has not
/// noticed it by itself.
pub const RESUME_ASK_WITHIN: Duration = Duration::from_secs(2);
/// Utterances of one side that wait to be written down while caller and person talk.
pub const MINUTES_WAITING_MAX: usize = 4;
/// When that talk is over, its last utterances are waited for so long.
pub const MINUTES_END_MAX: Duration = Duration::from_secs(4);
/// Connections that a carrier is asked to make anew for one call; a stream that keeps breaking ends it.
pub const RESUMES_MAX: u32 = 5;
/// The carrier joins two lines within this time, or they stay with the box.
pub const JOIN_WITHIN: Duration = Duration::from_secs(10);
/// Who has talked for less than this was cut off, and the caller comes back to the agent.
pub const TALKED_LEAST: Duration = Duration::from_secs(5);
/// Sound waiting on a bridge in one direction, samples at 8 kHz; older sound is dropped first.
pub const BRIDGE_WAITING_MAX: usize = 2_400;
/// The leg of a caller who is let go has ended within this time.
pub const LETTING_MAX: Duration = Duration::from_secs(5);
/// A caller who was let go, of whom no word comes, is forgotten after this time.
pub const PARKED_MAX: Duration = Duration::from_secs(30 * 60);
/// News for one call of its person, or of its own line while it has no leg; when full it is dropped.
pub const ERRANDS_QUEUE: usize = 32;
/// Last words to a person whose caller is gone.
pub const PARTING_MAX: Duration = Duration::from_secs(8);

/// Parts of one recording that are named as not heard; further ones are silence all the same.
pub const RECORDING_CUTS_MAX: usize = 2_000;
/// Pieces of recordings (a second of one call each, 32 KB) that wait for the disk, over all calls; when
/// full a piece is lost, counted, and silence stands in its place.
pub const RECORDING_QUEUE: usize = 512;
/// How often in one call a notice of recording is said that was cut before its end; a caller who has not
/// heard it by then is not recorded.
pub const NOTICE_TRIES: u32 = 2;
/// A recording that could not be brought to where objects lie is tried again after this long.
pub const RECORDING_RETRY: Duration = Duration::from_secs(20);
/// A recording whose call has no row after this long belongs to somebody who was erased.
pub const RECORDING_ORPHAN: Duration = Duration::from_secs(3_600);
/// One note beside the sound of a recording on its way (what it is of, where it was cut), bytes.
pub const RECORDING_NOTE_MAX: usize = 256 * 1024;
/// Pieces of an object on their way to whoever reads it; the disk waits for the reader.
pub const OBJECT_STREAM_QUEUE: usize = 8;
