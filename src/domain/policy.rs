//! Who may open what: ordered rules of one app.
//!
//! The first rule whose paths and methods fit the request decides, whoever asks; no rule means no.
//! Falling through to a later rule because a person does not fit would open `/admin` through the rule
//! for `/`.
//!
//! Invariant: an unknown path or method is never judged as if it were some other one.

use std::net::IpAddr;

use http::Method;
use ipnet::IpNet;
use serde::Serialize;

use super::caller::{Scheme, Subject};
use super::condition::{ConditionFailed, Needs, When};
use super::email::{EmailAddress, EmailDomain};
use super::host::Host;
use super::ids::{ProviderId, TrustedIssuerId, UserId};
use super::path::CanonicalPath;

/// An app's rules, in order.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    rules: Vec<Rule>,
    needs_path: bool,
    needs_method: bool,
    needs_source: bool,
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
    /// Networks that a request has to come from, whoever sends it; empty: any.
    pub networks: Vec<IpNet>,
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
    SignedIn(Box<Requirements>),
}

/// Lists that a caller must fit: one entry of each list that is not empty, of an `all_` list every one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirements {
    /// How they are known.
    pub schemes: Vec<Scheme>,
    /// Providers that the person signed in through, or whose people an issuer's are.
    pub providers: Vec<ProviderId>,
    /// Whose token it is.
    pub issuers: Vec<TrustedIssuerId>,
    /// The client that the token was issued to, compared byte for byte.
    pub clients: Vec<Box<str>>,
    /// Ids of people here, which are the same in every session.
    pub users: Vec<UserId>,
    /// Domains of a verified e-mail address.
    pub email_domains: Vec<EmailDomain>,
    /// Verified e-mail addresses.
    pub emails: Vec<EmailAddress>,
    /// Groups, compared byte for byte.
    pub groups: Vec<Box<str>>,
    /// The same, and every one of them.
    pub all_groups: Vec<Box<str>>,
    /// Roles, compared byte for byte.
    pub roles: Vec<Box<str>>,
    /// The same, and every one of them.
    pub all_roles: Vec<Box<str>>,
    /// Permissions of a token, compared byte for byte. A session has none.
    pub permissions: Vec<Box<str>>,
    /// The same, and every one of them.
    pub all_permissions: Vec<Box<str>>,
    /// Scopes of a token (RFC 6749 §3.3), compared byte for byte. A session has none.
    pub scopes: Vec<Box<str>>,
    /// The same, and every one of them.
    pub all_scopes: Vec<Box<str>>,
    /// What lists cannot say, and has to be true beside them.
    pub when: Option<When>,
    /// Where this is not empty, one of these has to fit as well.
    pub any_of: Vec<Self>,
}

/// What is asked for. `None`: the proxy did not say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Target<'a> {
    /// The path.
    pub path: Option<&'a CanonicalPath>,
    /// The method.
    pub method: Option<&'a Method>,
    /// The host, which is one of the app's.
    pub host: Option<&'a Host>,
    /// Whether the request has the marks of a CORS preflight.
    pub preflight: bool,
    /// Where it comes from.
    pub source: Source,
}

/// Where a request comes from, as far as it matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Nobody told: it is in no network.
    #[default]
    Unknown,
    /// This address.
    Address(IpAddr),
    /// The question is not about a request: what it comes from is judged when there is one.
    NotAsked,
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
    /// From none of the allowed networks.
    #[error("the request comes from none of the allowed networks")]
    Network,
    /// Known by another scheme.
    #[error("known by a scheme that is not allowed here")]
    Scheme,
    /// The token is another issuer's, or there is none.
    #[error("the token is of none of the allowed issuers")]
    Issuer,
    /// The token was issued to another client, or to none.
    #[error("the token was issued to none of the allowed clients")]
    Client,
    /// Not one of the people who are named.
    #[error("not one of the allowed users")]
    User,
    /// Has none of the allowed permissions, or not all of them.
    #[error("does not have the permissions that it takes")]
    Permission,
    /// The token may not be used for this.
    #[error("the token does not have the scopes that it takes")]
    Scope,
    /// Nobody told where the request comes from, and a condition looks at it.
    #[error("it is not known where the request comes from")]
    SourceUnknown,
    /// The rule's `when` is false.
    #[error("the condition of the rule is not met")]
    Condition,
    /// The rule's `when` is neither true nor false.
    #[error("the condition of the rule could not be judged")]
    ConditionFailed,
}

impl Policy {
    /// Keeps the order.
    #[must_use]
    pub fn new(rules: Vec<Rule>) -> Self {
        let looks_at =
            |part: fn(Needs) -> bool| rules.iter().any(|rule| rule.conditions().any(part));
        Self {
            needs_path: rules.iter().any(|rule| !rule.paths.is_empty())
                || looks_at(|needs| needs.path),
            needs_method: rules
                .iter()
                .any(|rule| !rule.methods.is_empty() || rule.preflight)
                || looks_at(|needs| needs.method),
            needs_source: rules.iter().any(|rule| !rule.networks.is_empty())
                || looks_at(|needs| needs.source),
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

    /// Whether the source must be known for this app to be judged.
    #[must_use]
    pub const fn needs_source(&self) -> bool {
        self.needs_source
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
        if !found.comes_from(target.source) {
            return Ruling::Refused(Refusal::Network);
        }
        match &found.allow {
            _ if found.preflight && target.preflight => Ruling::Public { rule },
            Allow::Nobody => Ruling::Refused(Refusal::Nobody),
            Allow::Public => Ruling::Public { rule },
            Allow::SignedIn(requirements) => Ruling::SignedIn { rule, requirements },
        }
    }
}

impl Rule {
    /// What its conditions look at.
    fn conditions(&self) -> impl Iterator<Item = Needs> {
        let requirements = match &self.allow {
            Allow::SignedIn(requirements) => Some(&**requirements),
            Allow::Public | Allow::Nobody => None,
        };
        let conditions = requirements.into_iter().flat_map(Requirements::conditions);
        conditions.map(When::needs)
    }

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

    fn comes_from(&self, source: Source) -> bool {
        self.networks.is_empty()
            || match source {
                Source::NotAsked => true,
                Source::Unknown => false,
                Source::Address(address) => {
                    let within = |network: &IpNet| network.contains(&address);
                    self.networks.iter().any(within)
                }
            }
    }
}

impl Requirements {
    /// Whether `subject` fits, or which list it does not fit. A condition looks at `target` too.
    ///
    /// # Errors
    /// The class of the first list that does not fit.
    pub fn admit(&self, subject: Subject<'_>, target: Target<'_>) -> Result<(), Refusal> {
        one_of(&self.schemes, |it| *it == subject.scheme, Refusal::Scheme)?;
        one_of(
            &self.providers,
            |it| subject.provider == Some(it),
            Refusal::Provider,
        )?;
        one_of(
            &self.issuers,
            |it| subject.issuer == Some(it),
            Refusal::Issuer,
        )?;
        one_of(
            &self.clients,
            |it| subject.client == Some(it),
            Refusal::Client,
        )?;
        one_of(&self.users, |it| *it == subject.user, Refusal::User)?;
        one_of(
            &self.email_domains,
            |domain| subject.email.is_some_and(|email| email.is_in(domain)),
            Refusal::EmailDomain,
        )?;
        one_of(&self.emails, |it| subject.email == Some(it), Refusal::Email)?;
        names(
            &self.groups,
            &self.all_groups,
            subject.groups,
            Refusal::Group,
        )?;
        names(&self.roles, &self.all_roles, subject.roles, Refusal::Role)?;
        names(
            &self.permissions,
            &self.all_permissions,
            subject.permissions,
            Refusal::Permission,
        )?;
        if let Some(when) = &self.when {
            when.admit(subject, target)?;
        }
        // The last, so that a token which is told to have more scopes lacks nothing else.
        names(
            &self.scopes,
            &self.all_scopes,
            subject.scopes,
            Refusal::Scope,
        )?;
        self.admit_any(subject, target)
    }

    /// Whether one of the alternatives fits, if there are any. More scopes are what a caller can do something
    /// about, so that is told before anything else; then, that a condition failed, because operators want to know.
    fn admit_any(&self, subject: Subject<'_>, target: Target<'_>) -> Result<(), Refusal> {
        let mut told = None;
        for alternative in &self.any_of {
            match alternative.admit(subject, target) {
                Ok(()) => return Ok(()),
                Err(Refusal::Scope) => told = Some(Refusal::Scope),
                Err(Refusal::ConditionFailed) if told != Some(Refusal::Scope) => {
                    told = Some(Refusal::ConditionFailed);
                }
                Err(refusal) => told = told.or(Some(refusal)),
            }
        }
        told.map_or(Ok(()), Err)
    }

    /// Its own condition and those of its alternatives.
    fn conditions(&self) -> impl Iterator<Item = &When> {
        let alternatives = self.any_of.iter().filter_map(|it| it.when.as_ref());
        self.when.iter().chain(alternatives)
    }

    /// Which condition fails, and why, where [`Refusal::ConditionFailed`] was told.
    #[must_use]
    pub fn failed_condition(
        &self,
        subject: Subject<'_>,
        target: Target<'_>,
    ) -> Option<ConditionFailed<'_>> {
        self.conditions()
            .find_map(|when| when.failure(subject, target))
    }

    /// The scopes that would do (RFC 6750 §3), for a caller who is refused for want of them.
    #[must_use]
    pub fn wanted_scopes(&self) -> Vec<&str> {
        let own = self.all_scopes.iter().chain(&self.scopes);
        let mut wanted: Vec<&str> = own.map(|scope| &**scope).collect();
        for alternative in &self.any_of {
            for scope in alternative.wanted_scopes() {
                if !wanted.contains(&scope) {
                    wanted.push(scope);
                }
            }
        }
        wanted
    }
}

/// One entry of a list, if there is a list.
fn one_of<T>(list: &[T], fits: impl Fn(&T) -> bool, refusal: Refusal) -> Result<(), Refusal> {
    if list.is_empty() || list.iter().any(fits) {
        Ok(())
    } else {
        Err(refusal)
    }
}

/// One name of the first list, and all of the second.
fn names(
    any: &[Box<str>],
    all: &[Box<str>],
    has: &[Box<str>],
    refusal: Refusal,
) -> Result<(), Refusal> {
    one_of(any, |name| has.contains(name), refusal)?;
    if all.iter().all(|name| has.contains(name)) {
        Ok(())
    } else {
        Err(refusal)
    }
}

#[cfg(test)]
mod tests {
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
        Allow::SignedIn(Box::new(Requirements {
            groups: names.iter().map(|name| (*name).into()).collect(),
            ..Requirements::default()
        }))
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
                allow: Allow::SignedIn(Box::default()),
                ..Rule::default()
            },
            Rule {
                paths: vec![path("/open")],
                allow: Allow::SignedIn(Box::default()),
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
            ..Target::default()
        };
        match policy.ruling(asked) {
            Ruling::Public { .. } => Ok(()),
            Ruling::Refused(refusal) => Err(refusal),
            Ruling::SignedIn { requirements, .. } => {
                let in_groups = Subject {
                    groups: &in_groups,
                    ..subject(&provider)
                };
                requirements.admit(in_groups, asked)
            }
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
        let with = |email| {
            let subject = Subject {
                email,
                ..subject(&provider)
            };
            requirements.admit(subject, Target::default())
        };
        assert_eq!(with(None), Err(Refusal::EmailDomain));
        assert_eq!(with(Some(&email)), Err(Refusal::Group));
    }

    fn names(all: &[&str]) -> Vec<Box<str>> {
        all.iter().map(|name| (*name).into()).collect()
    }

    fn all_of(wanted: &str) -> Requirements {
        let mut requirements = Requirements::default();
        let (list, entries) = wanted.split_once('=').expect("list=entries");
        let entries = names(&entries.split(' ').collect::<Vec<_>>());
        let id = |entry: &str| entry.parse().expect("a name");
        match list {
            "groups" => requirements.groups = entries,
            "all_groups" => requirements.all_groups = entries,
            "roles" => requirements.roles = entries,
            "all_roles" => requirements.all_roles = entries,
            "scopes" => requirements.scopes = entries,
            "all_scopes" => requirements.all_scopes = entries,
            "permissions" => requirements.permissions = entries,
            "all_permissions" => requirements.all_permissions = entries,
            "clients" => requirements.clients = entries,
            "issuers" => requirements.issuers = entries.iter().map(|it| id(it)).collect(),
            "schemes" => requirements.schemes = vec![Scheme::ApiKey],
            "users" => requirements.users = vec![UserId::from_bytes([8; 16])],
            _ => unreachable!("{list}"),
        }
        requirements
    }

    /// A token with scopes `a b`, permissions `p q`, groups `g h`, role `r`, of the issuer `ci`, for `web`.
    fn ask_token(requirements: &Requirements) -> Result<(), Refusal> {
        let provider = "entra".parse().expect("a name");
        let issuer = "ci".parse().expect("a name");
        let token = Subject {
            scheme: Scheme::Bearer,
            issuer: Some(&issuer),
            client: Some("web"),
            groups: &names(&["g", "h"]),
            roles: &names(&["r"]),
            scopes: &names(&["a", "b"]),
            permissions: &names(&["p", "q"]),
            ..subject(&provider)
        };
        requirements.admit(token, Target::default())
    }

    #[rstest]
    #[case::scope("scopes=x b", Ok(()))]
    #[case::no_scope("scopes=x ab", Err(Refusal::Scope))]
    #[case::scope_case_counts("scopes=A", Err(Refusal::Scope))]
    #[case::all_scopes("all_scopes=a b", Ok(()))]
    #[case::not_all_scopes("all_scopes=a x", Err(Refusal::Scope))]
    #[case::permission("permissions=x q", Ok(()))]
    #[case::a_scope_is_no_permission("permissions=a", Err(Refusal::Permission))]
    #[case::a_permission_is_no_scope("scopes=p", Err(Refusal::Scope))]
    #[case::not_all_permissions("all_permissions=p q x", Err(Refusal::Permission))]
    #[case::all_groups("all_groups=g h", Ok(()))]
    #[case::not_all_groups("all_groups=g x", Err(Refusal::Group))]
    #[case::all_roles("all_roles=r", Ok(()))]
    #[case::not_all_roles("all_roles=r x", Err(Refusal::Role))]
    #[case::issuer("issuers=ci entra", Ok(()))]
    #[case::a_provider_is_no_issuer("issuers=entra", Err(Refusal::Issuer))]
    #[case::client("clients=web", Ok(()))]
    #[case::client_is_whole("clients=we webb", Err(Refusal::Client))]
    #[case::scheme("schemes=api_key", Err(Refusal::Scheme))]
    #[case::user("users=other", Err(Refusal::User))]
    fn each_list_is_asked(#[case] wanted: &str, #[case] expected: Result<(), Refusal>) {
        assert_eq!(ask_token(&all_of(wanted)), expected);
    }

    #[rstest]
    #[case::first(&["scopes=a", "groups=x"], Ok(()))]
    #[case::second(&["groups=x", "scopes=a"], Ok(()))]
    #[case::none(&["groups=x", "roles=x"], Err(Refusal::Group))]
    #[case::scopes_are_told_first(&["groups=x", "scopes=x"], Err(Refusal::Scope))]
    fn one_alternative_is_enough(
        #[case] alternatives: &[&str],
        #[case] expected: Result<(), Refusal>,
    ) {
        let requirements = Requirements {
            any_of: alternatives.iter().map(|it| all_of(it)).collect(),
            ..Requirements::default()
        };
        assert_eq!(ask_token(&requirements), expected);
        let besides = Requirements {
            groups: names(&["nobody"]),
            ..requirements
        };
        assert_eq!(ask_token(&besides), Err(Refusal::Group));
    }

    #[test]
    fn a_challenge_names_every_scope_that_would_do() {
        let requirements = Requirements {
            any_of: vec![
                all_of("scopes=a b"),
                all_of("groups=x"),
                all_of("all_scopes=b c"),
            ],
            ..all_of("scopes=read")
        };
        assert_eq!(requirements.wanted_scopes(), ["read", "a", "b", "c"]);
    }

    #[rstest]
    #[case::within("10.1.2.3", Ok(()))]
    #[case::outside("11.1.2.3", Err(Refusal::Network))]
    #[case::six("fd00::1", Ok(()))]
    fn a_network_is_asked_of_everybody(#[case] from: &str, #[case] expected: Result<(), Refusal>) {
        let policy = Policy::new(vec![Rule {
            networks: vec![
                "10.0.0.0/8".parse().expect("a network"),
                "fd00::/8".parse().expect("a network"),
            ],
            allow: Allow::Public,
            ..Rule::default()
        }]);
        assert!(policy.needs_source());
        let ask = |source| match policy.ruling(Target {
            source,
            ..Target::default()
        }) {
            Ruling::Refused(refusal) => Err(refusal),
            _ => Ok(()),
        };
        let address = from.parse().expect("an address");
        assert_eq!(ask(Source::Address(address)), expected);
        assert_eq!(ask(Source::Unknown), Err(Refusal::Network));
        assert_eq!(ask(Source::NotAsked), Ok(()));
    }
}
