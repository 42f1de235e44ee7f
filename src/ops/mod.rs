//! Running the box: health, drain.
