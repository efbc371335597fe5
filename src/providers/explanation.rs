//! What a preset comes to, in words: for those who choose one, and for those who have to register at a provider.
//!
//! Invariant: what is told is read from the same definition that signs people in.

use std::fmt;

use http::Method;

use super::claims::{Claims, Email, Groups, Place};
use super::logout::Logout;
use super::parameters::Parameter;
use super::preset::{Definition, Preset, Status};
use super::protocol::Protocol;
use super::refresh::{Comes, Refresh, Rotation};
use super::requests::Request;
use super::required_claims::{RequiredClaim, Rule};
use super::revocation::{Effect, Revocation};
use super::template::Template;
use crate::config::AuthenticationMethod;
use crate::domain::logout::{LogoutNotices, LogoutValue};
use crate::domain::profile_request::Asked;
use crate::domain::upstream_provider::{Source, Userinfo};

/// A preset in words. Its text is for people, and no interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What `preset` says.
    pub name: Box<str>,
    /// What people call the provider.
    pub title: Box<str>,
    /// What it speaks.
    pub protocol: &'static str,
    /// How the facts are known.
    pub known_from: &'static str,
    block: String,
    settings: Vec<(String, String)>,
    returns: bool,
    notices: LogoutNotices,
    facts: Vec<(&'static str, String)>,
    variants: Vec<(String, Vec<(&'static str, String)>)>,
    notes: Vec<Box<str>>,
}

impl Explanation {
    pub(super) fn of(name: &str, preset: &Preset) -> Self {
        let base = preset.base();
        let facts = facts(base);
        let variants = preset.variants().map(|(condition, definition)| {
            let mut own = self::facts(definition);
            own.retain(|fact| !facts.contains(fact));
            (condition, own)
        });
        Self {
            name: name.into(),
            title: preset.title.clone(),
            protocol: match base.protocol {
                Protocol::OpenIdConnect { .. } => "OpenID Connect",
                Protocol::OAuth2 { .. } => "OAuth 2",
            },
            known_from: match preset.status {
                Status::Standard => "the standard",
                Status::Live => "the running product",
                Status::Documentation => "documentation",
                Status::Practice => "others' practice",
                Status::Legacy => "the past: it ends",
            },
            block: block(name, preset),
            settings: preset.parameters.iter().map(setting).collect(),
            returns: returns(&base.logout),
            notices: base.logout_notices,
            variants: variants.collect(),
            facts,
            notes: preset.notes.clone(),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, title) = (&self.name, &self.title);
        writeln!(out, "{title}, by {}", self.protocol)?;
        writeln!(out, "Known from: {}", self.known_from)?;
        writeln!(out, "\n{}", self.block.trim_end())?;
        writeln!(out, "\nRegister there")?;
        writeln!(out, "  {{base_url}}/login/{name}/callback")?;
        if self.returns {
            writeln!(out, "  {{base_url}}/signed-out, for after a sign-out")?;
        }
        if self.notices.back_channel {
            writeln!(
                out,
                "  {{base_url}}/login/{name}/backchannel-logout, for back-channel logout"
            )?;
        }
        if self.notices.front_channel {
            writeln!(
                out,
                "  {{base_url}}/login/{name}/frontchannel-logout, for front-channel logout"
            )?;
        }
        if !self.settings.is_empty() {
            writeln!(out, "\nSettings")?;
            columns(out, &self.settings)?;
        }
        writeln!(out, "\nWhat holds")?;
        columns(out, &self.facts)?;
        for (condition, facts) in self.variants.iter().filter(|(_, own)| !own.is_empty()) {
            writeln!(out, "\nAnd {condition}")?;
            columns(out, facts)?;
        }
        if !self.notes.is_empty() {
            writeln!(out, "\nGood to know")?;
        }
        self.notes
            .iter()
            .try_for_each(|note| writeln!(out, "  - {note}"))
    }
}

fn columns<L: AsRef<str>>(out: &mut fmt::Formatter<'_>, lines: &[(L, String)]) -> fmt::Result {
    let width = lines.iter().map(|(label, _)| label.as_ref().len()).max();
    let width = width.unwrap_or_default();
    lines
        .iter()
        .try_for_each(|(label, text)| writeln!(out, "  {:width$}  {text}", label.as_ref()))
}

/// What to paste into a configuration.
fn block(name: &str, preset: &Preset) -> String {
    let mut lines = vec![
        "[[tenants.providers]]".to_owned(),
        format!("id = \"{name}\""),
        format!("preset = \"{name}\""),
    ];
    for parameter in preset.parameters.iter().filter(|it| it.required) {
        let value = if parameter.list {
            "[\"…\"]"
        } else {
            "\"…\""
        };
        lines.push(format!("{} = {value}", parameter.name));
    }
    lines.push("client_id = \"…\"".to_owned());
    if preset.base().protocol.has_sign_in_page() {
        return lines.join("\n");
    }
    let first = preset.base().client_authentication.first();
    let signs = first.is_some_and(|method| method.signs());
    lines.extend(if signs {
        vec![
            "key_id = \"…\"".to_owned(),
            "private_key = { file = \"client-key.pem\" }".to_owned(),
        ]
    } else {
        vec!["client_secret = { file = \"client-secret\" }".to_owned()]
    });
    lines.join("\n")
}

fn setting(parameter: &Parameter) -> (String, String) {
    let about = &parameter.about;
    let text = match &parameter.default {
        _ if parameter.required => format!("required: {about}"),
        Some(default) => format!("{about} (without it \"{default}\")"),
        None => about.to_string(),
    };
    (parameter.name.to_string(), text)
}

fn facts(definition: &Definition) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    match &definition.protocol {
        Protocol::OpenIdConnect {
            issuer,
            userinfo,
            sign_in_page,
            ..
        } => {
            facts.push(("issuer", issuer.to_string()));
            if let Some(page) = sign_in_page {
                let text = format!("at {}, which posts the ID token", page.address);
                facts.push(("people sign in", text));
            }
            let asked = match userinfo {
                Userinfo::WhenMissing => "asked when the ID token lacks a claim",
                Userinfo::Always => "asked at every sign-in",
                Userinfo::Never => "never asked",
            };
            facts.push(("userinfo", asked.to_owned()));
        }
        Protocol::OAuth2 {
            authorization_endpoint,
            token_endpoint,
            ..
        } => {
            facts.push(("authorization", authorization_endpoint.to_string()));
            facts.push(("token", token_endpoint.to_string()));
        }
    }
    for request in &definition.profile_requests {
        facts.push(("asks", asks(request)));
    }
    let scopes = texts(&definition.authorization.scopes);
    facts.push((
        "scopes",
        if scopes.is_empty() {
            "none".into()
        } else {
            scopes.join(" ")
        },
    ));
    if !definition.protocol.has_sign_in_page() {
        facts.push(("client", client(definition)));
    }
    let claims = &definition.claims;
    let subject: Vec<_> = claims.subject.iter().map(place).collect();
    facts.push(("a person is", subject.join(" and ")));
    for claim in &definition.required_claims {
        facts.push(("let in", required(claim)));
    }
    facts.push(("e-mail", email(claims)));
    facts.push(("groups", groups(&claims.groups)));
    if !claims.roles.is_empty() {
        facts.push(("roles", groups(&claims.roles)));
    }
    for (label, fact) in [("picture", &claims.picture), ("language", &claims.locale)] {
        facts.extend(fact.as_ref().map(|fact| (label, place(fact))));
    }
    if let Some(guests) = &claims.guests {
        let (account, home) = (&guests.account, &guests.home);
        facts.push((
            "a guest is",
            format!("whose `{account}` is not 0, or `{home}` not the issuer"),
        ));
    }
    facts.push(("refreshing", refresh(&definition.refresh)));
    let revoked = revocation(definition.revocation.as_ref());
    facts.push(("revoking", revoked));
    facts.push(("signing out", logout(&definition.logout)));
    let told = told(definition.logout_notices);
    facts.extend(told.map(|told| ("signed out there", told)));
    facts
}

/// ``POST https://… (member_groups), for groups that the ID token leaves out, with `graph_permission` ``
fn asks(request: &Request) -> String {
    let method = if request.method == Method::GET {
        String::new()
    } else {
        format!("{} ", request.method)
    };
    let when = match request.asked {
        Asked::Always => "",
        Asked::OnOverage => ", for groups that were left out",
    };
    let with = request.requires.as_ref();
    let with = with.map_or_else(String::new, |it| format!(", with `{it}`"));
    format!("{method}{} ({}){when}{with}", request.url, request.name)
}

fn texts(templates: &[Template]) -> Vec<String> {
    templates.iter().map(ToString::to_string).collect()
}

fn client(definition: &Definition) -> String {
    let word = |method: &AuthenticationMethod| match method {
        AuthenticationMethod::Basic => "its secret in `Authorization`",
        AuthenticationMethod::Post => "its secret in the body",
        AuthenticationMethod::Discovered => "its secret as the metadata asks",
        AuthenticationMethod::PrivateKeyJwt => "an assertion signed with `private_key`",
        AuthenticationMethod::ClientSecretJwt => "an assertion keyed with its secret",
        AuthenticationMethod::GeneratedSecret => "a secret signed with `private_key`",
    };
    let known = &definition.client_authentication;
    let secret = known.first().map_or("", word);
    let signed = known.iter().skip(1).find(|method| method.signs());
    let signed = signed.map_or_else(String::new, |method| format!(", or {}", word(method)));
    let signs = known.first().is_some_and(|method| method.signs());
    let needed = if definition.secret_required || signs {
        ""
    } else {
        ", or none"
    };
    let pkce = if definition.authorization.pkce {
        "PKCE"
    } else {
        "no PKCE"
    };
    format!("{secret}{signed}{needed}; {pkce}")
}

fn place(place: &Place) -> String {
    let path = &place.path;
    match &place.source {
        Source::Claims => format!("`{path}`"),
        Source::Userinfo => format!("`{path}` of userinfo"),
        Source::TokenAnswer => format!("`{path}` of the token answer"),
        Source::Profile(name) => format!("`{path}` of {name}"),
    }
}

fn required(claim: &RequiredClaim) -> String {
    let places = claim
        .places
        .iter()
        .map(place)
        .collect::<Vec<_>>()
        .join(" or ");
    let members = texts(&claim.members).join("`/`");
    let place = match members.as_str() {
        "" => places,
        members => format!("`{members}` in {places}"),
    };
    match &claim.rule {
        Rule::Is(text) => format!("whose {place} is {text}"),
        Rule::OneOf {
            list,
            required: true,
            ..
        } => format!("whose {place} is one of `{list}`"),
        Rule::OneOf { list, .. } => format!("whose {place} is one of `{list}`, if that is set"),
        Rule::NoneOf(refused) => format!("whose {place} is not {}", refused.join(" or ")),
        Rule::Absent => format!("who have no {place}"),
    }
}

fn email(claims: &Claims) -> String {
    let Some((_, rule)) = &claims.email else {
        return "none counts".into();
    };
    match rule {
        Email::Never => "none counts".into(),
        Email::Always { address } if address.names().next().is_some() => {
            format!("`{address}`, taken as confirmed: see that it is")
        }
        Email::Always { address } => format!("`{address}`: only confirmed ones are told"),
        Email::Flag {
            address,
            flag,
            trusted,
        } => {
            let trusted = trusted.as_ref().map_or_else(String::new, |trusted| {
                format!(", or at one of `{}` and a member's", trusted.domains)
            });
            format!("`{address}` where `{}` is true{trusted}", flag.path)
        }
        Email::All { address, flags } => {
            format!(
                "`{address}` where `{}` are true",
                texts(flags).join("` and `")
            )
        }
        Email::Entry { address, flags, .. } => {
            format!(
                "the `{address}` whose `{}` are true",
                texts(flags).join("` and `")
            )
        }
        Email::Hosted {
            address,
            flag,
            organization,
            ..
        } => format!(
            "`{address}` where `{}` is true, of its own mailboxes or at the domain in `{organization}`",
            flag.path
        ),
    }
}

fn groups(lists: &[Groups]) -> String {
    if lists.is_empty() {
        return "none".into();
    }
    let lists: Vec<_> = lists
        .iter()
        .map(|groups| {
            let members = texts(&groups.members).join("`/`");
            match (&groups.list.source, members.as_str()) {
                (_, "") => place(&groups.list),
                (Source::Profile(name), members) => format!("each `{members}` of {name}"),
                (_, members) => format!("each `{members}` in {}", place(&groups.list)),
            }
        })
        .collect();
    lists.join(", ")
}

fn refresh(refresh: &Refresh) -> String {
    let comes = match refresh.comes {
        Comes::Never => return "never".into(),
        Comes::Sometimes => "where the registration there says so",
        Comes::Always => "always",
    };
    let scope = refresh.scope.as_ref();
    let scope = scope.map(|scope| format!("the scope `{scope}`"));
    let parameters = refresh.parameters.iter();
    let parameters = parameters.map(|(name, value)| format!("`{name}={value}`"));
    let prompt = refresh.prompt.as_ref();
    let prompt = prompt.map(|prompt| format!("`prompt={prompt}`, a page at each sign-in"));
    let asked: Vec<_> = scope.into_iter().chain(parameters).chain(prompt).collect();
    let comes = if asked.is_empty() {
        comes.to_owned()
    } else {
        format!("with {}", asked.join(" and "))
    };
    let rotation = match refresh.rotation {
        Rotation::Kept => "kept when used",
        Rotation::Sometimes => "replaced now and then",
        Rotation::EachUse => "replaced at each use",
    };
    format!("{comes}; {rotation}")
}

fn revocation(revocation: Option<&Revocation>) -> String {
    let Some(revocation) = revocation else {
        return "tokens live until they expire".into();
    };
    let address = revocation.address.as_ref().map(ToString::to_string);
    let place = address.unwrap_or_else(|| "where its metadata say so".into());
    match revocation.effect {
        Effect::Session => format!("at the end of a session: {place}"),
        Effect::Grant => {
            format!("with revoke_tokens = true, and then for all browsers of a person: {place}")
        }
    }
}

fn logout(logout: &Logout) -> String {
    match logout {
        Logout::Nowhere => "here only: people stay signed in there".into(),
        Logout::Redirect {
            discovered: true,
            address: None,
            ..
        } => "there too, where its metadata say so".into(),
        Logout::Redirect { address, .. } => {
            let address = address.as_ref().map(ToString::to_string);
            format!("there too: {}", address.unwrap_or_default())
        }
    }
}

fn told(notices: LogoutNotices) -> Option<String> {
    let ways = match notices {
        LogoutNotices {
            back_channel: true,
            front_channel: true,
        } => "its back channel, and its page through the browser",
        LogoutNotices {
            back_channel: true, ..
        } => "its back channel",
        LogoutNotices {
            front_channel: true,
            ..
        } => "its page, through the browser",
        LogoutNotices { .. } => return None,
    };
    Some(format!("told by {ways}: the session here ends"))
}

/// Whether people come back to us after a sign-out there.
fn returns(logout: &Logout) -> bool {
    match logout {
        Logout::Nowhere => false,
        Logout::Redirect { parameters, .. } => {
            let mut values = parameters.iter().map(|(_, value)| value);
            values.any(|value| *value == LogoutValue::ReturnAddress)
        }
    }
}
