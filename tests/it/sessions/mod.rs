//! `{base}/sessions`: where I am signed in, and an end to it.

mod forms;
mod list;
mod nodes;
