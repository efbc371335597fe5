//! `[[tenants.users]]` and `htpasswd_file`: names and passwords of a tenant's own (RFC 7617).

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};

use super::Context;
use super::diagnostics::{Fault, quoted};
use super::passwords::HashedPassword;
use super::reader::{Item, Section};
use super::secrets::{self, looked_at};
use super::table::{Key, Shape, Table};
use crate::domain::email::EmailAddress;
use crate::domain::local_user::{LocalUser, LocalUsers};

/// Longest name, in characters.
const LONGEST_NAME: usize = 255;

/// Longest hash of a password, in characters.
const LONGEST_HASH: usize = 500;

/// Longest htpasswd file, in bytes.
const FILE_LIMIT: u64 = 1024 * 1024;

const MAKE_ONE: &str =
    "make one with `doorward users hash`; a password itself never stands in this file";

pub(super) static TABLE: Table = Table::new(
    "[[tenants.users]]",
    "Users of the tenant's own, who show name and password (HTTP Basic) at apps that accept it.",
    &[
        Key::new(
            "name",
            Shape::Line(LONGEST_NAME),
            "What they sign in as. No colon; case matters.",
        )
        .required(),
        Key::new(
            "password_hash",
            Shape::Or(&Shape::Secret, &Shape::Line(LONGEST_HASH)),
            "The hash of the password, as `doorward users hash` makes it (Argon2id); also bcrypt, and Django's pbkdf2_sha256.",
        )
        .required(),
        Key::new(
            "display_name",
            Shape::Line(100),
            "What apps are told as their name.",
        ),
        Key::new(
            "email",
            Shape::Line(254),
            "Their address. It counts where `email_verified` is true.",
        ),
        Key::new(
            "email_verified",
            Shape::Flag,
            "Whether you know that the address is theirs.",
        )
        .or("false"),
        Key::new(
            "groups",
            Shape::List(&Shape::Line(1000)),
            "Groups, as the rules of apps see them.",
        ),
        Key::new(
            "roles",
            Shape::List(&Shape::Line(1000)),
            "Roles, as the rules of apps see them.",
        ),
    ],
);

pub(super) const HTPASSWD_FILE: Key = Key::new(
    "htpasswd_file",
    Shape::Path,
    "Further users, without groups: a file as `htpasswd -B` makes it, a name and a bcrypt hash on each line. Read with the configuration.",
);

/// Both together. `None`: something in them is wrong, and was told.
pub(super) fn read(section: &Section<'_>, context: &Context<'_>) -> Option<LocalUsers> {
    let tables = section
        .get("users")
        .map(|item| item.sections(&TABLE))
        .unwrap_or_default();
    let file = section.get("htpasswd_file");
    let mut seen = HashMap::new();
    let mut users: Vec<Option<LocalUser>> = tables
        .iter()
        .map(|section| user(section, context, &mut seen))
        .collect();
    if let Some(item) = file {
        users.extend(of_file(&item, context, &mut seen));
    }
    let users: Option<Vec<_>> = users.into_iter().collect();
    users.map(LocalUsers::new)
}

fn user(
    section: &Section<'_>,
    context: &Context<'_>,
    seen: &mut HashMap<String, String>,
) -> Option<LocalUser> {
    let name = section
        .require("name", "add name = \"ada\": what they sign in as")
        .and_then(|item| {
            let name = item.line(LONGEST_NAME)?;
            let place = format!("at line {}", item.position().line());
            let unfit = unfit(&name, place, seen);
            if let Some((message, help)) = unfit {
                item.fault_with_help(format!("{} {message}", item.shown()), help);
                return None;
            }
            Some(name)
        });
    let password = section
        .require("password_hash", MAKE_ONE)
        .and_then(|item| password(&item, context));
    let display_name = section
        .get("display_name")
        .map_or(Some(None), |item| item.line(100).map(Some));
    let verified = section
        .get("email_verified")
        .map_or(Some(false), |item| item.flag());
    let email = section
        .get("email")
        .map_or(Some(None), |item| address(&item).map(Some));
    let names = |key| {
        section
            .get(key)
            .map_or(Some(Vec::new()), |item| item.list(|item| item.line(1000)))
    };
    let (groups, roles) = (names("groups"), names("roles"));
    section.finish();
    let (verified, email) = (verified?, email?);
    Some(LocalUser {
        name: name?,
        password: Arc::new(password?),
        display_name: display_name?,
        email: email.filter(|_| verified),
        groups: groups?.into(),
        roles: roles?.into(),
    })
}

/// Why a name is no good, and what would be. Names that differ in case alone would be taken for one another by
/// people, and are counted as one.
fn unfit(
    name: &str,
    place: String,
    seen: &mut HashMap<String, String>,
) -> Option<(&'static str, String)> {
    if name.contains(':') {
        let help = "it ends at the first colon when it is sent (RFC 7617 §2)";
        return Some(("has a colon in it", help.into()));
    }
    if let Some(first) = seen.get(&name.to_lowercase()) {
        let help = format!("the first one is {first}: case alone does not tell names apart");
        return Some(("is there already", help));
    }
    seen.insert(name.to_lowercase(), place);
    None
}

fn password(item: &Item<'_>, context: &Context<'_>) -> Option<HashedPassword> {
    let text = if item.is_table() {
        secrets::secret(item, context)?
    } else {
        SecretString::from(item.line(LONGEST_HASH)?.into_string())
    };
    match HashedPassword::read(text.expose_secret()) {
        Ok(hash) => {
            if let Some(weakness) = hash.weakness() {
                let message = format!("this hash of a password is weak: {weakness}");
                item.report(
                    Fault::at(item.position(), message)
                        .with_help(WEAK)
                        .as_warning(),
                );
            }
            Some(hash)
        }
        Err(why) => {
            item.fault_with_help(format!("`{}` {why}", item.name), MAKE_ONE);
            None
        }
    }
}

const WEAK: &str = "it is not made stronger at the next sign-in, because this file is not ours to write: have its owner \
     make a new one with `doorward users hash`";

fn address(item: &Item<'_>) -> Option<EmailAddress> {
    let text = item.line(254)?;
    let address = text.parse().ok();
    if address.is_none() {
        item.fault_with_help(
            format!("{} is not an e-mail address", item.shown()),
            "write it as \"ada@example.com\"",
        );
    }
    address
}

/// Users of a file, in its order; one that cannot be read is none, and was told.
fn of_file(
    item: &Item<'_>,
    context: &Context<'_>,
    seen: &mut HashMap<String, String>,
) -> Vec<Option<LocalUser>> {
    let Some(path) = item.text() else {
        return vec![None];
    };
    let path = context.file(path);
    let mut text = String::new();
    let read =
        File::open(&path).and_then(|file| file.take(FILE_LIMIT + 1).read_to_string(&mut text));
    let text = SecretString::from(text);
    if let Err(error) = read {
        item.fault_with_help(
            format!("the file of `{}` cannot be read: {error}", item.name),
            looked_at(&path),
        );
        return vec![None];
    }
    if text.expose_secret().len() as u64 > FILE_LIMIT {
        item.fault(format!("the file of `{}` is longer than 1 MiB", item.name));
        return vec![None];
    }
    let mut weak = None;
    let lines = text.expose_secret().lines().zip(1..);
    let lines = lines.filter(|(line, _)| !line.trim().is_empty() && !line.starts_with('#'));
    let users: Vec<_> = lines
        .map(|(line, number)| of_line(item, line, number, &mut weak, seen))
        .collect();
    if let Some((number, weakness)) = weak {
        let message = format!("line {number} of that file has a weak hash: {weakness}");
        item.report(
            Fault::at(item.position(), message)
                .with_help(WEAK)
                .as_warning(),
        );
    }
    if users.is_empty() {
        item.fault_with_help(
            format!("the file of `{}` has no users", item.name),
            "leave it out, or add one with: htpasswd -B FILE NAME",
        );
        return vec![None];
    }
    users
}

fn of_line(
    item: &Item<'_>,
    line: &str,
    number: u32,
    weak: &mut Option<(u32, &'static str)>,
    seen: &mut HashMap<String, String>,
) -> Option<LocalUser> {
    let wrong = |message: String, help: &str| {
        item.fault_with_help(format!("line {number} of that file {message}"), help);
    };
    let Some((name, hash)) = line.split_once(':') else {
        wrong("has no colon".into(), "write name:hash");
        return None;
    };
    let is_name = !name.is_empty() && !name.chars().any(char::is_control);
    if !is_name || name.chars().count() > LONGEST_NAME {
        wrong("has no name that can be used".into(), "write name:hash");
        return None;
    }
    let place = format!("at line {number} of that file");
    if let Some((message, help)) = unfit(name, place, seen) {
        wrong(
            format!("has a name that {message}: {}", quoted(name)),
            &help,
        );
        return None;
    }
    match HashedPassword::read(hash.trim_end()) {
        Ok(password) => {
            let weakness = password.weakness().map(|why| (number, why));
            *weak = weak.take().or(weakness);
            Some(LocalUser {
                name: name.into(),
                password: Arc::new(password),
                display_name: None,
                email: None,
                groups: Box::default(),
                roles: Box::default(),
            })
        }
        Err(why) => {
            wrong(
                format!("has what {why}"),
                "make it anew: htpasswd -B FILE NAME",
            );
            None
        }
    }
}
