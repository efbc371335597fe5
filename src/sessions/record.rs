//! What is kept in a session, by name: the one place that knows how it is written.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::identity::{Person, Profile};
use crate::storage::StorageError;

/// The person: [`Person`].
pub(super) const PERSON: &str = "person";
/// The browser it was begun in: [`Browser`].
pub(super) const BROWSER: &str = "browser";

/// The browser that a session was begun in, as its owner would recognise it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Browser {
    /// "Firefox on Linux": a summary of `User-Agent`, never the whole.
    pub user_agent: Box<str>,
    /// The address it came from.
    pub address: Option<Box<str>>,
}

pub(super) type Data = HashMap<String, Value>;

/// As it is stored.
pub(super) fn written(data: Data) -> String {
    Value::from_iter(data).to_string()
}

/// The data of a new login.
pub(super) fn of_login(person: &Person, browser: &Browser) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct Login<'a> {
        person: &'a Person,
        browser: &'a Browser,
    }
    serde_json::to_string(&Login { person, browser })
}

/// The person alone: most readers want nothing else.
pub(super) fn person_of(data: &str) -> Result<Person, StorageError> {
    #[derive(Deserialize)]
    struct Only {
        person: Person,
    }
    serde_json::from_str::<Only>(data)
        .map(|only| only.person)
        .map_err(|error| unreadable(&error))
}

/// Who, and in which browser.
pub(super) fn person_and_browser_of(data: &str) -> Result<(Person, Browser), StorageError> {
    #[derive(Deserialize)]
    struct Both {
        person: Person,
        #[serde(default)]
        browser: Browser,
    }
    serde_json::from_str::<Both>(data)
        .map(|both| (both.person, both.browser))
        .map_err(|error| unreadable(&error))
}

/// The same data with the person as their provider describes them now; `None`: as they were.
pub(super) fn with_person_again(
    data: &str,
    profile: &Profile,
) -> Result<Option<String>, StorageError> {
    let before = person_of(data)?;
    let person = before.again(profile);
    if person == before {
        return Ok(None);
    }
    let unread = |error| unreadable(&error);
    let mut data: Data = serde_json::from_str(data).map_err(unread)?;
    let person = serde_json::to_value(person).map_err(unread)?;
    data.insert(PERSON.to_owned(), person);
    Ok(Some(written(data)))
}

/// Only the place is told: the text is somebody's data.
pub(super) fn unreadable(error: &serde_json::Error) -> StorageError {
    StorageError::Unreadable(format!(
        "the data of a session, line {}, column {}",
        error.line(),
        error.column()
    ))
}
/// The person of a stored session.
///
/// # Errors
/// [`StorageError::Unreadable`].
pub fn stored_person(session: &crate::storage::StoredSession) -> Result<Person, StorageError> {
    person_of(&session.data)
}
