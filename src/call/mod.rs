//! Joins telephony, media, dialogue and ai.
