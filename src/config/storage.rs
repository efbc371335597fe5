//! `[storage]`: what is remembered, and how it is sealed.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::Context;
use super::diagnostics::Fault;
use super::reader::{Item, Section};
use super::secrets::{SealingKey, sealing_key};
use super::table::{Key, Shape, Table};

/// What is remembered, and how it is sealed.
#[derive(Debug)]
pub struct Storage {
    /// The database file; it is made if it is not there.
    pub sqlite: PathBuf,
    /// The first one seals, all of them open; at least one.
    pub sealing_keys: Vec<SealingKey>,
}

pub(super) static TABLE: Table = Table::new(
    "[storage]",
    "What is remembered, and how it is sealed.",
    &[
        Key::new(
            "sqlite",
            Shape::Path,
            "The database file. It is made if it is not there; its folder must be.",
        )
        .required()
        .fixed(),
        Key::new(
            "sealing_keys",
            Shape::List(&Shape::Secret),
            "32 bytes in base64 each. The first seals, all open.",
        )
        .required(),
    ],
);

pub(super) fn read(root: &Section<'_>, context: &Context<'_>) -> Option<Storage> {
    let help = "add [storage] with sqlite = \"doorward.db\" and sealing_keys = [{ env = \"DOORWARD_SEALING_KEY\" }]";
    let section = root.require("storage", help)?.section(&TABLE)?;
    let sqlite = section
        .require("sqlite", "add sqlite = \"/var/lib/doorward/doorward.db\"")
        .and_then(|item| sqlite(&item, context));
    let sealing_keys = section
        .require(
            "sealing_keys",
            "add sealing_keys = [{ env = \"DOORWARD_SEALING_KEY\" }], and make the key with: openssl rand -base64 32",
        )
        .and_then(|item| sealing_keys(&item, context));
    section.finish();
    Some(Storage {
        sqlite: sqlite?,
        sealing_keys: sealing_keys?,
    })
}

fn sqlite(item: &Item<'_>, context: &Context<'_>) -> Option<PathBuf> {
    let text = item.text()?;
    if text == ":memory:" || text.starts_with("sqlite:") || text.starts_with("file:") {
        item.fault_with_help(
            format!("{} is not the path of a file", item.shown()),
            "write the path: \"/var/lib/doorward/doorward.db\"",
        );
        return None;
    }
    let path = context.path(text);
    if path.is_dir() {
        item.fault_with_help(
            format!("{} is a folder", item.shown()),
            "name the file in it: \"doorward.db\"",
        );
        return None;
    }
    if is_something_else(&path) {
        item.fault_with_help(
            format!("{} is there and is not an SQLite database", item.shown()),
            "name another file, which is made at the first start, or move this one away",
        );
        return None;
    }
    // The file is made at the first start; its folder is the operator's.
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    if folder.is_some_and(|folder| !folder.is_dir()) {
        // A configuration is also checked on other machines than the one it is for.
        let warning = format!(
            "the folder of {} does not exist on this machine",
            item.shown()
        );
        item.report(
            Fault::at(item.position(), warning)
                .with_help("make it, owned by the user that Doorward runs as")
                .as_warning(),
        );
    }
    Some(path)
}

/// Whether a file is there that does not begin as databases do (SQLite file format §1.2). One that cannot be
/// read is for the start to judge, which may be another user's.
fn is_something_else(path: &Path) -> bool {
    // Opening a pipe would wait for its other end.
    if !path.is_file() {
        return false;
    }
    let mut begin = Vec::new();
    let read = File::open(path).and_then(|file| file.take(16).read_to_end(&mut begin));
    read.is_ok() && !begin.is_empty() && begin != *b"SQLite format 3\0"
}

fn sealing_keys(item: &Item<'_>, context: &Context<'_>) -> Option<Vec<SealingKey>> {
    let items = item.items()?;
    if items.is_empty() {
        item.fault_with_help(
            "`sealing_keys` is an empty list",
            "name at least one: [{ env = \"DOORWARD_SEALING_KEY\" }]",
        );
        return None;
    }
    let mut keys: Vec<SealingKey> = Vec::with_capacity(items.len());
    let mut whole = true;
    for item in &items {
        let Some(key) = sealing_key(item, context) else {
            whole = false;
            continue;
        };
        if keys.iter().any(|other| other.expose() == key.expose()) {
            item.fault("this sealing key is in the list already");
        }
        keys.push(key);
    }
    whole.then_some(keys)
}
