//! Data such as pages meet it, longest real texts included. Templates are checked with it when the
//! process starts with a folder of its own, in the tests, and when somebody looks at the pages.

mod sign_in;

use time::OffsetDateTime;
use time::macros::datetime;

use super::{
    Account, Chrome, Contact, DemoAppLink, DemoAppPage, DemoHeader, DemoSignInPage, DemoUser,
    Ended, ErrorPage, HiddenField, Incident, LoopCause, Moment, OtherProvider, RefusedClass,
    RefusedPage, RequestStamp, SessionEntry, SessionsPage, SignOutPage, SignedOutPage,
    StillSignedIn, StillSignedInBecause, TenantChrome, mark_of,
};

/// A page that knows samples of itself.
pub trait Samples: Sized {
    /// Name and page; together they reach every branch of the template.
    #[doc(hidden)]
    fn samples() -> Vec<(&'static str, Self)>;
}

const NOW: OffsetDateTime = datetime!(2027-01-15 08:05:30 UTC);
const STAMP: RequestStamp<'static> = RequestStamp {
    id: "01J9Z3K8Q4W7X2V5T6R8N0M1PB",
    at: NOW,
};
const LONG_EMAIL: &str =
    "maximiliane-friederike.von-und-zu-hohenstein@rechnungspruefung.landkreis.example";
const LONG_HOST: &str = "dokumentenmanagement-und-archivierung.rechnungspruefung.landkreis.example";
const LONG_APP: &str = "Dokumentenmanagement und Archivierung der Rechnungsprüfung";
const CSRF: &str = "mJ5l0o2l7P0sHq5w6QZ1xA";

/// The usual surroundings.
pub(super) fn acme() -> Chrome {
    Chrome {
        tenant: Some(TenantChrome::new("Acme", None)),
        ..Chrome::bare("c2FtcGxl")
    }
}

/// A name of 60 characters, an accent of its own, in German.
#[cfg(test)]
pub(super) fn landkreis() -> Chrome {
    use crate::domain::colour::Colour;

    let accent = crate::domain::tenant::Accent {
        light: Colour::new([0x00, 0x69, 0x5c]),
        dark: Colour::new([0x5f, 0xd4, 0xc4]),
    };
    let name = "Rechnungsprüfungsamt des Landkreises Mecklenburg-Vorpommerns";
    Chrome {
        tenant: Some(TenantChrome::new(name, Some(&accent))),
        language: "de".to_owned(),
        ..Chrome::bare("c2FtcGxl")
    }
}

fn ada() -> Account {
    Account::new(Some("Ada Lovelace"), "ada@acme.example")
}

fn maximiliane() -> Account {
    Account::new(
        Some("Maximiliane-Friederike Freifrau von und zu Hohenstein-Wallenburg"),
        LONG_EMAIL,
    )
}

fn other(name: &str) -> OtherProvider {
    OtherProvider {
        name: name.into(),
        mark: mark_of(name),
        href: "/login/other?attempt=1".into(),
    }
}

impl Samples for RefusedPage {
    fn samples() -> Vec<(&'static str, Self)> {
        let page = |class| Self {
            account: ada(),
            provider: "Google".into(),
            app: "Wiki".into(),
            host: "wiki.example.com".into(),
            class,
            switch_account_href: "/login?switch=1&rd=https%3A%2F%2Fwiki.example.com%2F".into(),
            sign_out_href: Some("/logout".into()),
            contact: Some(Contact::from("it@acme.example")),
            incident: Incident::new(STAMP.id, STAMP.at, "refused_email_domain"),
        };
        vec![
            ("domain", page(RefusedClass::Domain)),
            ("address", page(RefusedClass::Address)),
            ("group", page(RefusedClass::Group)),
            ("role", page(RefusedClass::Role)),
            ("provider", page(RefusedClass::Provider)),
            ("nobody", page(RefusedClass::Nobody)),
            (
                "long",
                Self {
                    account: maximiliane(),
                    app: LONG_APP.into(),
                    host: LONG_HOST.into(),
                    contact: Some(Contact::from(
                        "Geschäftsstelle Informationstechnik, Zimmer 204, Durchwahl 1188",
                    )),
                    ..page(RefusedClass::Group)
                },
            ),
            (
                "bare",
                Self {
                    account: Account::new(None, "248289761001"),
                    sign_out_href: None,
                    contact: None,
                    ..page(RefusedClass::Address)
                },
            ),
        ]
    }
}

impl Samples for SignOutPage {
    fn samples() -> Vec<(&'static str, Self)> {
        let page = Self {
            account: ada(),
            provider: Some("Google".into()),
            action: "/logout".into(),
            csrf: CSRF.into(),
            fields: vec![HiddenField {
                name: "rd".into(),
                value: "https://wiki.example.com/?a=1&b=2".into(),
            }],
            stay_href: "/sessions".into(),
        };
        let long = Self {
            account: maximiliane(),
            provider: None,
            ..page.clone()
        };
        vec![("usual", page), ("long", long)]
    }
}

impl Samples for SignedOutPage {
    fn samples() -> Vec<(&'static str, Self)> {
        let still = |because, href: Option<&str>| {
            Some(StillSignedIn {
                provider: "Google".into(),
                host: "accounts.google.com".into(),
                because,
                href: href.map(str::to_owned),
            })
        };
        let page = |ended, still_signed_in| Self {
            ended,
            still_signed_in,
            sign_in_href: Some("/login".into()),
        };
        vec![
            (
                "everything",
                page(
                    vec![Ended::AllApps, Ended::Provider("Keycloak".into())],
                    None,
                ),
            ),
            (
                "not-at-the-provider",
                page(
                    vec![Ended::AllApps],
                    still(
                        StillSignedInBecause::NotOffered,
                        Some("https://accounts.google.com/Logout"),
                    ),
                ),
            ),
            (
                "one-app",
                page(
                    vec![Ended::App("Wiki".into())],
                    still(StillSignedInBecause::NotAsked, None),
                ),
            ),
            (
                "not-confirmed",
                page(
                    vec![Ended::App(LONG_APP.into()), Ended::AllApps],
                    still(StillSignedInBecause::NotConfirmed, None),
                ),
            ),
            (
                "was-not-signed-in",
                Self {
                    sign_in_href: None,
                    ..page(Vec::new(), None)
                },
            ),
        ]
    }
}

impl Samples for SessionsPage {
    fn samples() -> Vec<(&'static str, Self)> {
        let entry = |number: u16, browser: &str, current| SessionEntry {
            id: format!("s{number}"),
            current,
            browser: browser.into(),
            address: (number != 3).then(|| format!("2001:db8:85a3:8d3:1319:8a2e:370:{number:x}")),
            provider: "Google".into(),
            signed_in_at: Moment::of(datetime!(2027-01-14 16:20 UTC)),
            last_used_at: Moment::of(NOW),
        };
        let page = Self {
            account: ada(),
            email: Some("ada@acme.example".into()),
            provider: "Google".into(),
            groups: vec!["engineering".into(), "wiki-editors".into()],
            sessions: vec![
                entry(1, "Safari on iPhone", false),
                entry(2, "Firefox on Windows", true),
                entry(3, "Unknown browser", false),
            ],
            notice: None,
            end_action: "/sessions/end".into(),
            end_others_action: "/sessions/end-others".into(),
            sign_out_href: "/logout".into(),
            csrf: CSRF.into(),
        };
        let only = Self {
            email: None,
            groups: Vec::new(),
            sessions: vec![entry(2, "Firefox on Windows", true)],
            notice: Some("All other sessions have ended.".into()),
            account: Account::new(None, "248289761001"),
            ..page.clone()
        };
        let long = Self {
            account: maximiliane(),
            email: Some(LONG_EMAIL.into()),
            provider: "Identitätsanbieter der Landesverwaltung".into(),
            groups: (1..=30)
                .map(|number| format!("rechnungspruefung/landkreis/abteilung-{number}"))
                .collect(),
            sessions: (1..=25)
                .map(|number| entry(number, "Samsung Internet on Android", number == 7))
                .collect(),
            notice: Some("The session has ended.".into()),
            ..page.clone()
        };
        vec![("three", page), ("only-this", only), ("long", long)]
    }
}

const AGAIN: &str = "/login?rd=https%3A%2F%2Fwiki.example.com%2Fa%3Fb%3D1%26c%3D2";

impl ErrorPage {
    /// Says whom to ask at Acme.
    fn at_acme(self) -> Self {
        self.with_contact(Some(Contact::from("it@acme.example")))
    }

    fn samples_of_who_is_not_let_in() -> [(&'static str, Self); 3] {
        [
            (
                "groups-incomplete",
                Self::groups_incomplete(STAMP, "Microsoft", AGAIN).at_acme(),
            ),
            (
                "account-refused",
                Self::account_refused(STAMP, "Microsoft", "Acme", AGAIN).at_acme(),
            ),
            (
                "sign-in-too-weak",
                Self::sign_in_too_weak(STAMP, "Microsoft", "Acme", AGAIN).at_acme(),
            ),
        ]
    }
}

impl Samples for ErrorPage {
    fn samples() -> Vec<(&'static str, Self)> {
        let mut samples = vec![
            ("login-expired", Self::login_expired(STAMP, AGAIN)),
            (
                "provider-refused",
                Self::provider_refused(STAMP, "Google", "access_denied", AGAIN)
                    .with_contact(Some(Contact::from("https://help.acme.example/access"))),
            ),
            (
                "provider-unavailable",
                Self::provider_refused(STAMP, "Google", "server_error", AGAIN),
            ),
            (
                "provider-error",
                Self::provider_refused(STAMP, "Google", "invalid_scope", AGAIN),
            ),
            (
                "provider-answer-invalid",
                Self::provider_answer_invalid(STAMP, "Google", AGAIN),
            ),
            (
                "provider-not-set-up",
                Self::provider_not_set_up(STAMP, "Google", Some(AGAIN)).at_acme(),
            ),
            (
                "provider-unreachable",
                Self::provider_unreachable(
                    STAMP,
                    "Identitätsanbieter der Landesverwaltung Mecklenburg-Vorpommern",
                    AGAIN,
                    vec![other("Microsoft"), other("GitHub")],
                ),
            ),
            (
                "provider-unreachable-alone",
                Self::provider_unreachable(STAMP, "Google", AGAIN, Vec::new()),
            ),
            (
                "app-unavailable",
                Self::app_unavailable(STAMP, LONG_APP, false, AGAIN).at_acme(),
            ),
            (
                "app-too-slow",
                Self::app_unavailable(STAMP, "Wiki", true, AGAIN),
            ),
            ("address-ambiguous", Self::address_ambiguous(STAMP, "/")),
            ("closed-to-all", Self::closed_to_all(STAMP, LONG_APP, "/")),
            ("not-found", Self::not_found(STAMP, Some("/sessions"))),
            ("unknown-host", Self::unknown_host(STAMP)),
            ("needs-https", Self::needs_https(STAMP, AGAIN)),
            ("ticket-invalid", Self::ticket_invalid(STAMP, AGAIN)),
            (
                "cookies-refused",
                Self::cookies_refused(STAMP, "login.acme.example", true, AGAIN),
            ),
            (
                "cookies-refused-on-loopback",
                Self::cookies_refused(STAMP, "acme.localhost:8080", false, AGAIN),
            ),
            (
                "cookies-need-https",
                Self::cookies_need_https(STAMP, "login.acme.example", AGAIN),
            ),
            (
                "login-loop-cookie",
                Self::login_loop(STAMP, LONG_HOST, LoopCause::Cookie, AGAIN),
            ),
            (
                "login-loop-scheme",
                Self::login_loop(STAMP, "wiki.example.com", LoopCause::Scheme, AGAIN),
            ),
            (
                "login-loop-clock",
                Self::login_loop(STAMP, "wiki.example.com", LoopCause::Clock, AGAIN).at_acme(),
            ),
            (
                "login-loop-host",
                Self::login_loop(STAMP, LONG_HOST, LoopCause::Host, AGAIN),
            ),
            (
                "too-many-sign-ins",
                Self::too_many_sign_ins(STAMP, 5, AGAIN),
            ),
            ("form-expired", Self::form_expired(STAMP, "/sessions")),
            ("target-refused", Self::target_refused(STAMP, "/sessions")),
            ("store-trouble", Self::store_trouble(STAMP, Some(AGAIN))),
            (
                "internal",
                Self::internal(STAMP, Some(AGAIN))
                    .with_contact(Some(Contact::from("the help desk, extension 100"))),
            ),
        ];
        samples.extend(Self::samples_of_who_is_not_let_in());
        samples
    }
}

impl Samples for DemoAppPage {
    fn samples() -> Vec<(&'static str, Self)> {
        let header = |name: &str, value: &str| DemoHeader {
            name: name.into(),
            value: value.into(),
        };
        let page = Self {
            app: "Wiki".into(),
            host: "wiki.acme.localhost:8080".into(),
            account: ada(),
            headers: vec![
                header("X-Auth-Request-User", "5f2b8c1e9d3a4b7f8e6c0d1a2b3c4d5e"),
                header("X-Auth-Request-Email", "ada@acme.example"),
                header("X-Auth-Request-Preferred-Username", "ada"),
                header("X-Auth-Request-Groups", "engineering,wiki-editors"),
                header("X-Auth-Request-Name", ""),
            ],
            others: vec![DemoAppLink {
                name: "Notes".into(),
                host: "notes.acme.localhost:8080".into(),
                href: "http://notes.acme.localhost:8080/".into(),
            }],
            sessions_href: Some("http://acme.localhost:8080/sessions".into()),
            sign_out_href: "/oauth2/sign_out".into(),
        };
        let bare = Self {
            account: maximiliane(),
            others: Vec::new(),
            sessions_href: None,
            ..page.clone()
        };
        vec![("usual", page), ("bare", bare)]
    }
}

impl Samples for DemoSignInPage {
    fn samples() -> Vec<(&'static str, Self)> {
        let user = |login: &str, name: &str, about: &str| DemoUser {
            login: login.into(),
            name: name.into(),
            about: about.into(),
            mark: mark_of(name),
        };
        let page = Self {
            provider: "Demo provider".into(),
            client: "acme.localhost:8080".into(),
            users: vec![
                user("ada", "Ada Lovelace", "May open both apps"),
                user("bob", "Bob Kahn", "May open Notes, is refused by Wiki"),
                user("mallory", "Mallory", "Has no verified e-mail address"),
            ],
            action: "/sign-in".into(),
            fields: vec![HiddenField {
                name: "request".into(),
                value: "q1".into(),
            }],
            failed_username: None,
        };
        let failed = Self {
            failed_username: Some("ada".into()),
            ..page.clone()
        };
        vec![("usual", page), ("failed", failed)]
    }
}
