//! Composition root: builds every room, wires channels, owns shutdown.
