//! What several pages show alike.

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use url::Url;

use super::chrome::mark_of;
use crate::domain::email::EmailAddress;
use crate::domain::identity::Person;

/// A moment, for `<time datetime>`.
#[derive(Clone, Debug, Serialize)]
pub struct Moment {
    /// RFC 3339, in UTC, whole seconds.
    pub machine: String,
    /// For people, in UTC: "15 January 2027, 08:00 UTC".
    pub words: String,
}

const WORDS: &[BorrowedFormatItem<'_>] =
    format_description!("[day padding:none] [month repr:long] [year], [hour]:[minute] UTC");

impl Moment {
    /// `at`, to the minute for people and to the second for machines.
    #[must_use]
    pub fn of(at: OffsetDateTime) -> Self {
        let at = at.to_offset(time::UtcOffset::UTC);
        let at = at.replace_nanosecond(0).unwrap_or(at);
        // Both fail only for years outside of 0 to 9999; then there is no better word for it.
        Self {
            machine: at.format(&Rfc3339).unwrap_or_default(),
            words: at.format(WORDS).unwrap_or_else(|_| at.to_string()),
        }
    }
}

/// Whom somebody is signed in as.
#[derive(Clone, Debug, Serialize)]
pub struct Account {
    /// Display name, where the provider told one.
    pub name: Option<String>,
    /// What tells the account from others: e-mail address, user name or id.
    pub id: String,
    /// Letter of its badge.
    mark: String,
}

impl Account {
    /// The account `id` of somebody who may have told a `name`.
    #[must_use]
    pub fn new(name: Option<&str>, id: &str) -> Self {
        Self {
            name: name.map(str::to_owned),
            id: id.to_owned(),
            mark: mark_of(name.unwrap_or(id)),
        }
    }

    /// How `person` would name their account: by e-mail address, else user name, else the provider's id.
    #[must_use]
    pub fn of(person: &Person) -> Self {
        let email = person.email.as_ref().map(EmailAddress::as_str);
        let id = email
            .or(person.preferred_username.as_deref())
            .unwrap_or(&person.subject);
        Self::new(person.name.as_deref(), id)
    }
}

/// Whom to ask for access.
#[derive(Clone, Debug, Serialize)]
pub struct Contact {
    /// As the tenant wrote it: an e-mail address, a web address or a line of text.
    pub text: String,
    /// Where it leads, if it is an address.
    pub href: Option<String>,
}

impl From<&str> for Contact {
    fn from(text: &str) -> Self {
        let href = if text.parse::<EmailAddress>().is_ok() {
            Some(format!("mailto:{text}"))
        } else {
            Url::parse(text)
                .ok()
                .filter(|url| url.scheme() == "https")
                .map(String::from)
        };
        Self {
            text: text.to_owned(),
            href,
        }
    }
}

/// What an administrator needs to find this in the log. Folded on the page.
#[derive(Clone, Debug, Serialize)]
pub struct Incident {
    /// Id of the request, as in the log.
    pub request_id: String,
    /// When.
    pub at: Moment,
    /// What, in one word of the log: `login_expired`.
    pub code: String,
}

impl Incident {
    /// `code` at the request `request_id`.
    #[must_use]
    pub fn new(request_id: &str, at: OffsetDateTime, code: &str) -> Self {
        Self {
            request_id: request_id.to_owned(),
            at: Moment::of(at),
            code: code.to_owned(),
        }
    }
}

/// A link: its words are a verb's.
#[derive(Clone, Debug, Serialize)]
pub struct Link {
    /// What it says.
    pub label: String,
    /// Where it leads: an address that was parsed.
    pub href: String,
}

/// A form field that is sent back as it was.
#[derive(Clone, Debug, Serialize)]
pub struct HiddenField {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use time::macros::datetime;

    #[test]
    fn a_moment_is_told_in_utc() {
        let moment = Moment::of(datetime!(2027-01-05 09:07:08.9 +2));
        assert_eq!(moment.machine, "2027-01-05T07:07:08Z");
        assert_eq!(moment.words, "5 January 2027, 07:07 UTC");
    }

    #[rstest]
    #[case::email("it@acme.example", Some("mailto:it@acme.example"))]
    #[case::page(
        "https://help.acme.example/access",
        Some("https://help.acme.example/access")
    )]
    #[case::words("the help desk, extension 100", None)]
    #[case::script("javascript:alert(1)", None)]
    #[case::plain_http("http://help.acme.example/", None)]
    fn a_contact_leads_somewhere_if_it_is_an_address(
        #[case] text: &str,
        #[case] href: Option<&str>,
    ) {
        assert_eq!(Contact::from(text).href.as_deref(), href);
    }
}
