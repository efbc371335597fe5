//! `[tracing]`: where traces go.

use secrecy::SecretString;
use url::Url;

use super::reader::{Item, Section};
use super::table::{Key, Shape, Table};
use super::{Context, addresses, secrets};

/// Where traces go.
#[derive(Clone, Debug)]
pub struct Tracing {
    /// A collector's address for OTLP over HTTP, whole: `…/v1/traces`.
    pub endpoint: Url,
    /// Of a hundred requests that come without a trace, how many begin one.
    pub sampled_percent: u8,
    /// What this service is called there.
    pub service_name: Box<str>,
    /// What the collector wants in `Authorization`.
    pub authorization: Option<SecretString>,
}

pub(super) static TABLE: Table = Table::new(
    "[tracing]",
    "Where traces go, in OpenTelemetry's protocol over HTTP. Without it there are none.",
    &[
        Key::new(
            "endpoint",
            Shape::Address,
            "The collector; https, or plain http on loopback. /v1/traces is added where it is not there.",
        )
        .required()
        .fixed(),
        Key::new(
            "sampled_percent",
            Shape::Integer(0, 100),
            "Of a hundred requests that come without a trace, how many begin one.",
        )
        .or("100")
        .fixed(),
        Key::new(
            "service_name",
            Shape::Line(100),
            "What this service is called there.",
        )
        .or("doorward")
        .fixed(),
        Key::new(
            "authorization",
            Shape::Secret,
            "What the collector wants in Authorization, whole.",
        )
        .fixed(),
    ],
);

/// `None`: there are no traces.
pub(super) fn read(root: &Section<'_>, context: &Context<'_>) -> Option<Tracing> {
    let section = root.get("tracing")?.section(&TABLE)?;
    let endpoint = section
        .require("endpoint", "add endpoint = \"http://127.0.0.1:4318\"")
        .and_then(|item| endpoint(&item));
    let sampled_percent = section
        .get("sampled_percent")
        .map_or(Some(100), |item| percent(&item));
    let service_name = section
        .get("service_name")
        .map_or(Some("doorward".into()), |item| item.line(100));
    let authorization = section
        .get("authorization")
        .map(|item| secrets::secret(&item, context));
    section.finish();
    Some(Tracing {
        endpoint: endpoint?,
        sampled_percent: sampled_percent?,
        service_name: service_name?,
        authorization: match authorization {
            None => None,
            Some(secret) => Some(secret?),
        },
    })
}

/// A collector beside us is asked over plain http, as its agents are; any other over https.
fn endpoint(item: &Item<'_>) -> Option<Url> {
    let mut url = match addresses::checked_url(item.text()?, true) {
        Ok(url) => url,
        Err(fault) => {
            item.fault_with_help(
                fault.message,
                "write a collector's address for OTLP over HTTP: https, or plain http on loopback, such as \
                 http://127.0.0.1:4318",
            );
            return None;
        }
    };
    if url.query().is_some() {
        item.fault_with_help(
            "`endpoint` has a query",
            "leave out `?` and what follows; a key belongs in `authorization`",
        );
        return None;
    }
    let path = url.path().trim_end_matches('/').to_owned();
    if !path.ends_with("/v1/traces") {
        url.set_path(&format!("{path}/v1/traces"));
    }
    Some(url)
}

fn percent(item: &Item<'_>) -> Option<u8> {
    let number = item.integer()?;
    let percent = u8::try_from(number).ok().filter(|percent| *percent <= 100);
    if percent.is_none() {
        item.fault_with_help(
            format!("{} is no percentage", item.shown()),
            "write how many of a hundred requests begin a trace, from 0 to 100",
        );
    }
    percent
}
