//! Key sets, and how they are kept.
