//! The page to choose a provider.

use super::super::{ByEmail, Contact, ProviderChoice, SignInNotice, SignInPage, mark_of};
use super::{LONG_HOST, Samples};

fn choice(name: &str, host: &str) -> ProviderChoice {
    ProviderChoice {
        name: name.into(),
        mark: mark_of(name),
        href: format!("/login/{}?rd=x&y=z", mark_of(name).to_lowercase()),
        host: host.into(),
        last_used: false,
    }
}

impl Samples for SignInPage {
    fn samples() -> Vec<(&'static str, Self)> {
        let page = Self {
            target_host: Some("wiki.example.com".into()),
            notice: None,
            by_email: None,
            providers: vec![
                choice("Google", "accounts.google.com"),
                choice("Microsoft", "login.microsoftonline.com"),
                choice("GitHub", "github.com"),
                choice(
                    "Identitätsanbieter der Landesverwaltung Mecklenburg-Vorpommern",
                    "anmeldung.identitaet.landesverwaltung.mecklenburg-vorpommern.example",
                ),
                choice("Okta", "acme.okta.com"),
            ],
            contact: Some(Contact::from("it@acme.example")),
        };
        let mut last_used = page.clone();
        if let Some(choice) = last_used.providers.get_mut(1) {
            choice.last_used = true;
        }
        let many = Self {
            providers: (1..=25)
                .map(|number| {
                    choice(
                        &format!("Werk {number}"),
                        &format!("sso{number}.werke.example"),
                    )
                })
                .collect(),
            target_host: Some(LONG_HOST.into()),
            notice: Some(SignInNotice::SessionEnded),
            ..page.clone()
        };
        let mut many_last_used = many.clone();
        if let Some(choice) = many_last_used.providers.last_mut() {
            choice.last_used = true;
        }
        let with = |count, notice, target: Option<&str>| Self {
            providers: page.providers.iter().take(count).cloned().collect(),
            notice,
            target_host: target.map(str::to_owned),
            by_email: None,
            contact: (count == 0).then(|| Contact::from("it@acme.example")),
        };
        let by_email = |failed: Option<&str>, page: &Self| Self {
            by_email: Some(ByEmail {
                action: "/login?continue=1".into(),
                failed: failed.map(str::to_owned),
            }),
            ..page.clone()
        };
        vec![
            ("by-email", by_email(None, &page)),
            (
                "by-email-unknown",
                by_email(Some("ada@elsewhere.example"), &last_used),
            ),
            (
                "one",
                with(1, Some(SignInNotice::FormLost), Some("wiki.example.com")),
            ),
            ("none", with(0, None, None)),
            (
                "none-nobody-to-ask",
                Self {
                    contact: None,
                    ..with(0, None, None)
                },
            ),
            (
                "another-account",
                with(2, Some(SignInNotice::AnotherAccount), None),
            ),
            ("five", page),
            ("five-last-used", last_used),
            ("twenty-five", many),
            ("twenty-five-last-used", many_last_used),
        ]
    }
}
