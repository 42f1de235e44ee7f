//! Which models there are (`models/catalogue.toml`).
