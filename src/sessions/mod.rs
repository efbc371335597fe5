//! Sessions: begun, found, used, ended.
