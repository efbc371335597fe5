//! Who may open what: ordered rules of one app.
//!
//! The first rule whose paths and methods fit the request decides, whoever asks; no rule means no.
//! Falling through to a later rule because a person does not fit would open `/admin` through the rule
//! for `/`.
//!
//! Invariant: an unknown path or method is never judged as if it were some other one.

use http::Method;
use serde::Serialize;

use super::caller::Subject;
use super::email::{EmailAddress, EmailDomain};
use super::ids::ProviderId;
use super::path::CanonicalPath;

/// An app's rules, in order.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    rules: Vec<Rule>,
    needs_path: bool,
    needs_method: bool,
}

/// One rule.
#[derive(Clone, Debug, Default)]
pub struct Rule {
    /// Paths it is about, whole segments; empty: all.
    pub paths: Vec<CanonicalPath>,
    /// Methods it is about; empty: all.
    pub methods: Vec<Method>,
    /// Whether a CORS preflight (Fetch §3.2.2) to these paths passes without identity.
    pub preflight: bool,
    /// Who may pass.
    pub allow: Allow,
}

/// Who may pass a rule.
#[derive(Clone, Debug, Default)]
pub enum Allow {
    /// Nobody.
    #[default]
    Nobody,
    /// Anybody, signed in or not.
    Public,
    /// Anybody who is signed in and fits every list that is not empty.
    SignedIn(Requirements),
}

/// Lists that a person must fit: one entry of each list that is not empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirements {
    /// Domains of a verified e-mail address.
    pub email_domains: Vec<EmailDomain>,
    /// Verified e-mail addresses.
    pub emails: Vec<EmailAddress>,
    /// Groups, compared byte for byte.
    pub groups: Vec<Box<str>>,
    /// Roles, compared byte for byte.
    pub roles: Vec<Box<str>>,
    /// Providers the person signed in through.
    pub providers: Vec<ProviderId>,
}

/// What is asked for. `None`: the proxy did not say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Target<'a> {
    /// The path.
    pub path: Option<&'a CanonicalPath>,
    /// The method.
    pub method: Option<&'a Method>,
    /// Whether the request has the marks of a CORS preflight.
    pub preflight: bool,
}

/// What the rules say before anybody is looked at.
#[derive(Clone, Copy, Debug)]
pub enum Ruling<'a> {
    /// Passes without identity.
    Public {
        /// Index of the rule.
        rule: usize,
    },
    /// Passes for those who fit.
    SignedIn {
        /// Index of the rule.
        rule: usize,
        /// What they must fit.
        requirements: &'a Requirements,
    },
    /// Does not pass, whoever asks.
    Refused(Refusal),
}

/// Why nobody, or not this person, may pass. The class only: lists are not told to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// There is no rule for this path and method.
    #[error("no rule covers this path and method")]
    NoRule,
    /// The rule lets nobody pass.
    #[error("the rule lets nobody pass")]
    Nobody,
    /// The app has rules about paths, and the proxy did not name the path.
    #[error("the proxy did not say which path is asked for")]
    PathUnknown,
    /// The app has rules about methods, and the proxy did not name the method.
    #[error("the proxy did not say which method is asked for")]
    MethodUnknown,
    /// No verified e-mail address in an allowed domain.
    #[error("no verified e-mail address in an allowed domain")]
    EmailDomain,
    /// Not one of the allowed addresses.
    #[error("not one of the allowed e-mail addresses")]
    Email,
    /// In none of the allowed groups.
    #[error("in none of the allowed groups")]
    Group,
    /// Has none of the allowed roles.
    #[error("has none of the allowed roles")]
    Role,
    /// Signed in through another provider.
    #[error("signed in through a provider that is not allowed here")]
    Provider,
}

impl Policy {
    /// Keeps the order.
    #[must_use]
    pub fn new(rules: Vec<Rule>) -> Self {
        Self {
            needs_path: rules.iter().any(|rule| !rule.paths.is_empty()),
            needs_method: rules
                .iter()
                .any(|rule| !rule.methods.is_empty() || rule.preflight),
            rules,
        }
    }

    /// The rules, in order.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether the path must be known for this app to be judged.
    #[must_use]
    pub const fn needs_path(&self) -> bool {
        self.needs_path
    }

    /// The first rule that is about `target`, and its index. Whether enough of it is known to be judged, only
    /// [`Policy::ruling`] says.
    #[must_use]
    pub fn covering(&self, target: Target<'_>) -> Option<(usize, &Rule)> {
        let mut rules = self.rules.iter().enumerate();
        rules.find(|(_, rule)| rule.covers(target))
    }

    /// What the rules say about `target`.
    #[must_use]
    pub fn ruling(&self, target: Target<'_>) -> Ruling<'_> {
        if self.needs_path && target.path.is_none() {
            return Ruling::Refused(Refusal::PathUnknown);
        }
        if self.needs_method && target.method.is_none() {
            return Ruling::Refused(Refusal::MethodUnknown);
        }
        let Some((rule, found)) = self.covering(target) else {
            return Ruling::Refused(Refusal::NoRule);
        };
        match &found.allow {
            _ if found.preflight && target.preflight => Ruling::Public { rule },
            Allow::Nobody => Ruling::Refused(Refusal::Nobody),
            Allow::Public => Ruling::Public { rule },
            Allow::SignedIn(requirements) => Ruling::SignedIn { rule, requirements },
        }
    }
}

impl Rule {
    fn covers(&self, target: Target<'_>) -> bool {
        let path = self.paths.is_empty()
            || target
                .path
                .is_some_and(|path| self.paths.iter().any(|prefix| path.is_under(prefix)));
        let method = self.methods.is_empty()
            || target.method.is_some_and(|method| {
                self.methods.contains(method) || (self.preflight && target.preflight)
            });
        path && method
    }
}

impl Requirements {
    /// Whether `subject` fits, or which list it does not fit.
    ///
    /// # Errors
    /// The class of the first list that does not fit.
    pub fn admit(&self, subject: Subject<'_>) -> Result<(), Refusal> {
        let one_of = |list: bool, fits: bool, refusal| {
            if list && !fits { Err(refusal) } else { Ok(()) }
        };
        one_of(
            !self.providers.is_empty(),
            subject
                .provider
                .is_some_and(|provider| self.providers.contains(provider)),
            Refusal::Provider,
        )?;
        one_of(
            !self.email_domains.is_empty(),
            subject
                .email
                .is_some_and(|email| self.email_domains.iter().any(|domain| email.is_in(domain))),
            Refusal::EmailDomain,
        )?;
        one_of(
            !self.emails.is_empty(),
            subject
                .email
                .is_some_and(|email| self.emails.contains(email)),
            Refusal::Email,
        )?;
        one_of(
            !self.groups.is_empty(),
            subject
                .groups
                .iter()
                .any(|group| self.groups.contains(group)),
            Refusal::Group,
        )?;
        one_of(
            !self.roles.is_empty(),
            subject.roles.iter().any(|role| self.roles.contains(role)),
            Refusal::Role,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::caller::Scheme;
    use super::super::ids::UserId;
    use super::*;
    use rstest::rstest;

    /// Somebody with this provider, and nothing else.
    fn subject(provider: &ProviderId) -> Subject<'_> {
        Subject {
            scheme: Scheme::Session,
            user: UserId::from_bytes([7; 16]),
            subject: "s-1",
            issuer: None,
            provider: Some(provider),
            client: None,
            name: None,
            preferred_username: None,
            email: None,
            groups: &[],
            roles: &[],
            scopes: &[],
            permissions: &[],
            details: None,
        }
    }

    fn path(text: &str) -> CanonicalPath {
        CanonicalPath::parse(text).expect("clear")
    }

    fn groups(names: &[&str]) -> Allow {
        Allow::SignedIn(Requirements {
            groups: names.iter().map(|name| (*name).into()).collect(),
            ..Requirements::default()
        })
    }

    fn policy() -> Policy {
        Policy::new(vec![
            Rule {
                paths: vec![path("/health")],
                allow: Allow::Public,
                ..Rule::default()
            },
            Rule {
                paths: vec![path("/admin")],
                allow: groups(&["admins"]),
                ..Rule::default()
            },
            Rule {
                paths: vec![path("/api")],
                methods: vec![Method::GET],
                preflight: true,
                allow: Allow::SignedIn(Requirements::default()),
            },
            Rule {
                paths: vec![path("/open")],
                allow: Allow::SignedIn(Requirements::default()),
                ..Rule::default()
            },
        ])
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "table cases own their method"
    )]
    fn ask(
        target: &str,
        method: Option<Method>,
        preflight: bool,
        in_groups: &[&str],
    ) -> Result<(), Refusal> {
        let target = path(target);
        let policy = policy();
        let provider = "entra".parse().expect("a name");
        let in_groups: Vec<Box<str>> = in_groups.iter().map(|g| (*g).into()).collect();
        let asked = Target {
            path: Some(&target),
            method: method.as_ref(),
            preflight,
        };
        match policy.ruling(asked) {
            Ruling::Public { .. } => Ok(()),
            Ruling::Refused(refusal) => Err(refusal),
            Ruling::SignedIn { requirements, .. } => requirements.admit(Subject {
                groups: &in_groups,
                ..subject(&provider)
            }),
        }
    }

    #[rstest]
    #[case::public("/health/live", Method::GET, false, &[], Ok(()))]
    #[case::whole_segment("/healthy", Method::GET, false, &[], Err(Refusal::NoRule))]
    #[case::member("/admin", Method::POST, false, &["admins"], Ok(()))]
    #[case::no_fall_through("/admin", Method::GET, false, &["staff"], Err(Refusal::Group))]
    #[case::group_case_counts("/admin", Method::GET, false, &["Admins"], Err(Refusal::Group))]
    #[case::method("/api", Method::GET, false, &[], Ok(()))]
    #[case::other_method("/api", Method::POST, false, &[], Err(Refusal::NoRule))]
    #[case::preflight("/api", Method::OPTIONS, true, &[], Ok(()))]
    #[case::options_without_marks("/api", Method::OPTIONS, false, &[], Err(Refusal::NoRule))]
    #[case::preflight_where_no_rule_says_so("/admin", Method::OPTIONS, true, &[], Err(Refusal::Group))]
    #[case::default_deny("/", Method::GET, false, &["admins"], Err(Refusal::NoRule))]
    fn first_rule_that_covers_decides(
        #[case] target: &str,
        #[case] method: Method,
        #[case] preflight: bool,
        #[case] in_groups: &[&str],
        #[case] expected: Result<(), Refusal>,
    ) {
        assert_eq!(ask(target, Some(method), preflight, in_groups), expected);
    }

    #[test]
    fn t29_an_unknown_path_or_method_opens_nothing() {
        let policy = policy();
        assert!(matches!(
            policy.ruling(Target::default()),
            Ruling::Refused(Refusal::PathUnknown)
        ));
        let target = path("/open");
        assert!(matches!(
            policy.ruling(Target {
                path: Some(&target),
                ..Target::default()
            }),
            Ruling::Refused(Refusal::MethodUnknown)
        ));
    }

    #[test]
    fn every_list_must_fit() {
        let email: EmailAddress = "ada@example.com".parse().expect("an address");
        let provider: ProviderId = "entra".parse().expect("a name");
        let requirements = Requirements {
            email_domains: vec!["example.com".parse().expect("a domain")],
            groups: vec!["staff".into()],
            ..Requirements::default()
        };
        let with = |email| Subject {
            email,
            ..subject(&provider)
        };
        assert_eq!(requirements.admit(with(None)), Err(Refusal::EmailDomain));
        assert_eq!(requirements.admit(with(Some(&email))), Err(Refusal::Group));
    }
}
