//! The configuration file, read and checked whole.
