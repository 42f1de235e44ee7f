//! One typed Settings: schema, defaults, layered load, validation.
