//! What there is to set: every table of the file, every key in it, and what its value looks like.
//!
//! This is the one place where a setting is declared. Each section's file has a `static` [`Table`]; the
//! reader is given it, and in debug builds and tests stops at a key that is asked for and not declared, at
//! one that is declared and not asked for, and at a value that is read as something else than was declared.
//! The JSON Schema is made from these tables, what may be shown of a faulty line is known from them, and
//! `docs/configuration.md` is compared with them. Deliberately absent: judging values, which the sections do.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Duration;

/// A table of the file.
#[derive(Debug)]
pub(crate) struct Table {
    /// As messages call it: `[server]`, `[[tenants]]`, `` `accent` ``.
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    keys: &'static [Key],
    more: [&'static [Key]; 2],
    /// Of these keys there is exactly one.
    pub(crate) exactly_one: &'static [&'static str],
    /// Further keys are somebody else's to judge: a provider's preset, an issuer's profile. This is the key that
    /// names it.
    pub(crate) open: Option<&'static str>,
}

impl Table {
    pub(crate) const fn new(name: &'static str, about: &'static str, keys: &'static [Key]) -> Self {
        Self {
            name,
            about,
            keys,
            more: [&[], &[]],
            exactly_one: &[],
            open: None,
        }
    }

    /// Keys that this table shares with another one. Twice at most.
    pub(crate) const fn and(mut self, more: &'static [Key]) -> Self {
        let [first, _] = self.more;
        self.more = if first.is_empty() {
            [more, &[]]
        } else {
            [first, more]
        };
        self
    }

    pub(crate) const fn exactly_one_of(mut self, keys: &'static [&'static str]) -> Self {
        self.exactly_one = keys;
        self
    }

    pub(crate) const fn open(mut self, chooser: &'static str) -> Self {
        self.open = Some(chooser);
        self
    }

    /// In the order in which they were declared.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &'static Key> + Clone {
        self.keys.iter().chain(self.more.into_iter().flatten())
    }

    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys().find(|key| key.name == name)
    }

    /// The tables that stand in this one, directly.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &'static Self> {
        self.keys().filter_map(|key| key.shape.table())
    }
}

/// A setting.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    /// What it is for, in a sentence or two; editors show it.
    pub(crate) about: &'static str,
    pub(crate) required: bool,
    /// The value where it is left out, as it would be written, without quotes.
    pub(crate) default: Option<&'static str>,
    /// It cannot change while the broker runs.
    pub(crate) fixed: bool,
}

impl Key {
    pub(crate) const fn new(name: &'static str, shape: Shape, about: &'static str) -> Self {
        Self {
            name,
            shape,
            about,
            required: false,
            default: None,
            fixed: false,
        }
    }

    /// A table of its own, told once.
    pub(crate) const fn table(name: &'static str, table: &'static Table) -> Self {
        Self::new(name, Shape::Table(table), table.about)
    }

    /// Any number of tables.
    pub(crate) const fn tables(name: &'static str, table: &'static Table) -> Self {
        Self::new(name, Shape::Tables(table), table.about)
    }

    pub(crate) const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// A reload with another value is refused. Its table stands in the file at most once.
    pub(crate) const fn fixed(mut self) -> Self {
        self.fixed = true;
        self
    }

    pub(crate) const fn or(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }
}

/// What a value looks like.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// Any text that is not empty.
    Text,
    /// One line of at most so many characters.
    Line(usize),
    /// The name of a tenant, provider or app.
    Id,
    /// One of these words.
    Words(&'static [&'static str]),
    Flag,
    /// One of these numbers.
    Numbers(&'static [i64]),
    /// A whole number, at least and at most.
    Integer(i64, i64),
    /// `15m`, at least and at most.
    Duration(Duration, Duration),
    /// An IP address and a port to listen on.
    Socket,
    /// An https address, plain http in development.
    Address,
    /// A file or folder.
    Path,
    /// `10.0.0.0/8`.
    Network,
    /// `wiki.example.com`, `*.example.com`.
    Host,
    /// Text behind these letters.
    Prefixed(&'static str),
    /// `#rrggbb`.
    Colour,
    /// Where a secret is.
    Secret,
    /// At least one of these.
    List(&'static Self),
    /// A table whose keys are the operator's.
    Entries(&'static Self),
    Table(&'static Table),
    /// Any number of tables, `[[…]]`.
    Tables(&'static Table),
    /// The one or the other: a short form, and one that says more.
    Or(&'static Self, &'static Self),
}

impl Shape {
    /// Whether it is written in quotes.
    pub(crate) const fn is_text(self) -> bool {
        matches!(
            self,
            Self::Text
                | Self::Line(_)
                | Self::Id
                | Self::Words(_)
                | Self::Duration(..)
                | Self::Socket
                | Self::Address
                | Self::Path
                | Self::Network
                | Self::Host
                | Self::Prefixed(_)
                | Self::Colour
        )
    }

    /// What a value of a list or a table of the operator's looks like.
    pub(crate) const fn inner(self) -> Option<Self> {
        match self {
            Self::List(inner) | Self::Entries(inner) => Some(*inner),
            Self::Tables(table) => Some(Self::Table(table)),
            Self::Or(short, long) => match short.inner() {
                None => long.inner(),
                inner => inner,
            },
            _ => None,
        }
    }

    /// The declared table that a value of it is, or holds.
    fn table(self) -> Option<&'static Table> {
        match self {
            Self::Table(table) | Self::Tables(table) => Some(table),
            Self::Or(short, long) => short.table().or_else(|| long.table()),
            _ => None,
        }
    }

    /// What may be shown of a value of it.
    fn word(self) -> Word {
        match self {
            Self::Secret | Self::List(Self::Secret) => Word::Secret,
            Self::Entries(_) => Word::Entries,
            Self::Or(short, long) => match short.word() {
                Word::Known => long.word(),
                word => word,
            },
            _ => Word::Known,
        }
    }
}

/// What may be shown of a value, going by its key alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// It is a setting somewhere.
    Known,
    /// Its value is a reference to a secret, or should be.
    Secret,
    /// The keys in its table are the operator's own.
    Entries,
}

/// The keys of all tables. A word that is not among them may be a misspelt secret.
static WORDS: LazyLock<HashMap<&'static str, Word>> = LazyLock::new(|| {
    let mut words: HashMap<_, _> = super::PRESET_WORDS
        .iter()
        .chain(super::PROFILE_WORDS)
        .map(|name| (*name, Word::Known))
        .collect();
    let mut waiting = vec![&super::TABLE];
    while let Some(table) = waiting.pop() {
        waiting.extend(table.tables());
        for key in table.keys() {
            words.insert(key.name, key.shape.word());
        }
    }
    words
});

/// What is known of a key, wherever it stands.
pub(crate) fn word(name: &str) -> Option<Word> {
    WORDS.get(name).copied()
}
