//! `refresh`: how a provider gives refresh tokens, and what becomes of them; and what the operator wants of it.

use std::time::Duration;

use super::hints::RESERVED;
use super::layers::{Layers, Names};
use super::template::Template;
use crate::config::reader::Section;
use crate::config::{Fault, TokenSettings};
use crate::domain::upstream_provider::{
    ClaimMapping, OpenIdConnect, Place, Protocol, RequiredClaim, Source, Userinfo,
};
use crate::domain::upstream_tokens::Refresh as Keeping;

/// What a preset says of refresh tokens.
#[derive(Clone, Debug)]
pub(super) struct Refresh {
    pub(super) comes: Comes,
    pub(super) scope: Option<Template>,
    pub(super) parameters: Vec<(Box<str>, Template)>,
    pub(super) prompt: Option<Box<str>>,
    pub(super) rotation: Rotation,
    pub(super) lifetime: Option<Duration>,
    pub(super) interval: Duration,
    over: Vec<Box<str>>,
}

/// Whether a refresh token comes, where it is asked for as the preset says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comes {
    Never,
    /// Where our registration there says so.
    Sometimes,
    Always,
}

/// What becomes of a refresh token that is used. A new one takes its place whenever one comes; this is for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rotation {
    Kept,
    Sometimes,
    EachUse,
}

impl Refresh {
    const NEVER: Self = Self {
        comes: Comes::Never,
        scope: None,
        parameters: Vec::new(),
        prompt: None,
        rotation: Rotation::Kept,
        lifetime: None,
        interval: LEAST_INTERVAL,
        over: Vec::new(),
    };
}

const LEAST_INTERVAL: Duration = Duration::from_secs(30);
const LONGEST_INTERVAL: Duration = Duration::from_hours(24);
const LONGEST_LIFE: Duration = Duration::from_hours(24 * 3650);

/// Without the operator's word.
const RECHECK_AFTER: Duration = Duration::from_hours(1);

/// `"never"`, `"always"`, `"sometimes"`, or a table.
pub(super) fn read(layers: &Layers<'_, '_>, names: &Names<'_>) -> Option<Refresh> {
    let Some(item) = layers.get("refresh") else {
        return Some(Refresh::NEVER);
    };
    if !item.is_table() {
        let comes = item.choice(&[
            ("never", Comes::Never),
            ("always", Comes::Always),
            ("sometimes", Comes::Sometimes),
        ])?;
        return Some(Refresh {
            comes,
            ..Refresh::NEVER
        });
    }
    let section = item.free_section("[refresh]")?;
    let refresh = table(&section, names);
    section.finish();
    refresh
}

fn table(section: &Section<'_>, names: &Names<'_>) -> Option<Refresh> {
    let comes = section.get("comes").map_or(Some(Comes::Always), |item| {
        item.choice(&[("always", Comes::Always), ("sometimes", Comes::Sometimes)])
    });
    let scope = names.optional(section.get("scope"));
    let parameters = section.get("parameters").map_or(Some(Vec::new()), |item| {
        let entries = item.free_section("[refresh.parameters]")?.entries();
        let parameters = entries.iter().map(|item| {
            if RESERVED.contains(&item.name) {
                item.fault_at_key(
                    format!("{} is sent by Doorward itself", item.quoted_name()),
                    "leave it out",
                );
                return None;
            }
            Some((item.name.into(), names.template(item)?))
        });
        parameters.collect()
    });
    let prompt = section.get("prompt").map(|item| item.line(64));
    let rotation = section
        .get("rotation")
        .map_or(Some(Rotation::Kept), |item| {
            item.choice(&[
                ("none", Rotation::Kept),
                ("sometimes", Rotation::Sometimes),
                ("each_use", Rotation::EachUse),
            ])
        });
    let lifetime = section
        .get("lifetime")
        .map(|item| item.duration(LONGEST_INTERVAL, LONGEST_LIFE));
    let interval = section
        .get("interval")
        .map_or(Some(LEAST_INTERVAL), |item| {
            item.duration(LEAST_INTERVAL, LONGEST_INTERVAL)
        });
    let over = section
        .get("over")
        .map_or(Some(Vec::new()), |item| item.list(|item| item.line(64)));
    Some(Refresh {
        comes: comes?,
        scope,
        parameters: parameters?,
        prompt: prompt.map_or(Some(None), |it| it.map(Some))?,
        rotation: rotation?,
        lifetime: lifetime.map_or(Some(None), |it| it.map(Some))?,
        interval: interval?,
        over: over?,
    })
}

/// What is kept for looking at people again, where the operator wants that.
pub(super) fn wanted(refresh: &Refresh, settings: &TokenSettings) -> Option<Keeping> {
    let on = settings.refresh.as_ref().is_some_and(|it| it.value);
    let recheck_after = settings.recheck_after.as_ref().map(|it| it.value);
    on.then(|| Keeping {
        uses_refresh_tokens: refresh.comes != Comes::Never,
        expects_refresh_tokens: refresh.comes == Comes::Always,
        prompt: refresh.prompt.clone(),
        over: refresh.over.clone(),
        lifetime: refresh.lifetime,
        recheck_after: recheck_after.unwrap_or(RECHECK_AFTER),
        interval: refresh.interval,
    })
}

/// What is wrong with the operator's wishes.
pub(super) fn faults(
    refresh: &Refresh,
    settings: &TokenSettings,
    preset: &str,
    asked: Asked<'_>,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    let on = settings.refresh.as_ref().filter(|it| it.value);
    if let (Some(recheck_after), None) = (&settings.recheck_after, on) {
        let fault = Fault::at(
            recheck_after.at.clone(),
            "`recheck_after` has no effect: people are not looked at again",
        );
        faults.push(fault.with_help("add refresh = true, or leave it out"));
    }
    if let Some(on) = on
        && refresh.comes == Comes::Never
        && !asked.answers_to_access_tokens()
    {
        let message = format!(
            "people cannot be looked at again at a provider with the preset `{preset}`: it gives no refresh tokens, and nothing else tells about them later"
        );
        let fault = Fault::at(on.at.clone(), message);
        faults.push(fault.with_help("leave out `refresh`"));
    }
    faults
}

/// Where the facts about a person come from.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) protocol: &'a Protocol,
    pub(super) claims: &'a ClaimMapping,
    pub(super) required: &'a [RequiredClaim],
}

impl Asked<'_> {
    /// Whether an access token alone tells them again.
    fn answers_to_access_tokens(self) -> bool {
        let again = |place: &Place| place.source != Source::TokenAnswer;
        let claims = self.claims;
        let mut places = claims
            .subject
            .iter()
            .chain(&claims.name)
            .chain(&claims.preferred_username)
            .chain(claims.groups.iter().map(|groups| &groups.place))
            .chain(self.required.iter().flat_map(|required| &required.places));
        let asks = match self.protocol {
            Protocol::OpenIdConnect(OpenIdConnect { userinfo, .. }) => *userinfo != Userinfo::Never,
            Protocol::OAuth2 { .. } => true,
        };
        asks && places.all(again) && claims.email.0 != Source::TokenAnswer
    }
}
