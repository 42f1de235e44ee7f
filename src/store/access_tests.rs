//! Tables of access.
