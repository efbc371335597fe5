//! Who can sign in at the provider.

use serde_json::{Map, Value, json};

/// A person, as OpenID Connect and as GitHub know them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Person {
    /// `sub`.
    pub(crate) subject: String,
    /// `preferred_username`, and what `login_hint` names them by; GitHub's `login`.
    pub(crate) username: String,
    pub(crate) name: String,
    pub(crate) email: Option<String>,
    /// `email_verified` as it stands in the document; `None` leaves it out.
    pub(crate) email_verified: Option<Value>,
    pub(crate) groups: Vec<String>,
    /// Further claims of any kind.
    pub(crate) more: Map<String, Value>,
    pub(crate) github: GithubAccount,
}

/// What only GitHub tells.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GithubAccount {
    pub(crate) id: u64,
    /// `GET /user/emails`, members as GitHub has them.
    pub(crate) emails: Vec<Value>,
    /// Logins of organizations, with the state of the membership (`active`, `pending`).
    pub(crate) organizations: Vec<(String, String)>,
    /// Organization and slug.
    pub(crate) teams: Vec<(String, String)>,
}

impl Person {
    /// Everybody has an account here: who is not known is made up from the name. A number at its end
    /// (`user-17`) becomes part of the GitHub number, so that a crowd has different ones.
    pub(crate) fn named(username: &str) -> Self {
        let digits: String = username.chars().filter(char::is_ascii_digit).collect();
        let id = match username {
            "ada" => 1001,
            "bob" => 1002,
            _ => 500_000 + digits.parse::<u64>().unwrap_or(username.len() as u64),
        };
        let email = if username.contains('@') {
            username.to_owned()
        } else {
            format!("{username}@example.com")
        };
        let mut name: Vec<char> = username.chars().collect();
        if let Some(first) = name.first_mut() {
            first.make_ascii_uppercase();
        }
        Self {
            subject: format!("subject-of-{username}"),
            username: username.to_owned(),
            name: name.into_iter().collect::<String>() + " Example",
            email: Some(email.clone()),
            email_verified: Some(true.into()),
            groups: vec!["staff".into()],
            more: Map::new(),
            github: GithubAccount {
                id,
                emails: vec![
                    json!({"email": format!("{username}@users.noreply.github.com"),
                        "primary": false, "verified": true, "visibility": null}),
                    json!({"email": email, "primary": true, "verified": true, "visibility": "private"}),
                ],
                organizations: vec![("acme".into(), "active".into())],
                teams: vec![("acme".into(), "staff".into())],
            },
        }
    }

    /// The claims that these scopes open (OIDC Core 1.0 §5.4), without the protocol's own.
    pub(crate) fn claims(&self, scope: &str) -> Map<String, Value> {
        let asked = |wanted: &str| scope.split(' ').any(|scope| scope == wanted);
        let mut claims = self.more.clone();
        claims.insert("sub".into(), self.subject.clone().into());
        claims.insert("groups".into(), self.groups.clone().into());
        if asked("profile") {
            claims.insert("name".into(), self.name.clone().into());
            claims.insert("preferred_username".into(), self.username.clone().into());
        }
        if asked("email") {
            if let Some(email) = &self.email {
                claims.insert("email".into(), email.clone().into());
            }
            if let Some(verified) = &self.email_verified {
                claims.insert("email_verified".into(), verified.clone());
            }
        }
        claims
    }
}
