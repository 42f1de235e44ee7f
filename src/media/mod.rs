//! Sound: pure functions and machines on 20 ms frames.
