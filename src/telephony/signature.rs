//! Webhook validation.
