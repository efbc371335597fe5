//! Upstream providers: presets, and the metadata they publish.
