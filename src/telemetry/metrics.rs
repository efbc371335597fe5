//! Metrics, in Prometheus' text format.
//!
//! Invariant: labels come from the configuration (tenant, app, provider) or from a fixed list, never from a
//! request, so that their number is bounded.

use std::sync::OnceLock;

use metrics::{
    Counter, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckOutcome {
    /// The request passed.
    Allowed,
    /// A person was offered a login.
    SignInOffered,
    /// 401 without an offer.
    SignInRequired,
    /// 401: a token, key or password was not good.
    Unaccepted,
    /// 403.
    Refused,
    /// 400.
    Ambiguous,
    /// A host that is no app.
    UnknownHost,
    /// 403 or 429: too many checks were not allowed.
    OverLimit,
    /// 503.
    Unavailable,
}

impl CheckOutcome {
    const fn label(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::SignInOffered => "sign_in_offered",
            Self::SignInRequired => "sign_in_required",
            Self::Unaccepted => "unaccepted",
            Self::Refused => "refused",
            Self::Ambiguous => "ambiguous",
            Self::UnknownHost => "unknown_host",
            Self::OverLimit => "over_limit",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Counts checks of one app with one outcome. Keep it where it is used often.
pub fn check_counter(tenant: &str, app: &str, outcome: CheckOutcome) -> Counter {
    counter!("doorward_checks_total", "tenant" => tenant.to_owned(), "app" => app.to_owned(), "outcome" => outcome.label())
}

/// Counts logins of one provider. `outcome` is of a fixed list: `completed`, `refused`, `upstream`, …
pub fn count_login(tenant: &str, provider: &str, outcome: &'static str) {
    counter!("doorward_logins_total", "tenant" => tenant.to_owned(), "provider" => provider.to_owned(), "outcome" => outcome)
        .increment(1);
}

/// Counts requests forwarded to one app. `outcome` is of a fixed list: `answered`, `unreachable`, …
pub fn count_forwarded(tenant: &str, app: &str, outcome: &'static str) {
    counter!("doorward_forwarded_total", "tenant" => tenant.to_owned(), "app" => app.to_owned(), "outcome" => outcome)
        .increment(1);
}

/// Counts sessions of one tenant that were begun or ended.
pub fn count_session(tenant: &str, what: &'static str) {
    counter!("doorward_sessions_total", "tenant" => tenant.to_owned(), "event" => what)
        .increment(1);
}

/// Counts what was refused because there was too much of it. `what` and `by` are of fixed lists.
pub fn count_rate_limited(tenant: &str, what: &'static str, by: &'static str) {
    counter!("doorward_rate_limited_total", "tenant" => tenant.to_owned(), "what" => what, "by" => by)
        .increment(1);
}

/// Counts sign-ins that went in a circle. `cause` is of a fixed list.
pub fn count_login_loop(tenant: &str, app: &str, cause: &'static str) {
    counter!("doorward_login_loops_total", "tenant" => tenant.to_owned(), "app" => app.to_owned(), "cause" => cause)
        .increment(1);
}

/// How long pages take, in seconds, by kind of route and class of status.
pub fn page_seconds(route: &'static str, status: &'static str) -> Histogram {
    histogram!("doorward_page_seconds", "route" => route, "status" => status)
}

/// Counts tickets at one app. `outcome` is of a fixed list: `redeemed`, `refused`.
pub fn count_ticket(tenant: &str, app: &str, outcome: &'static str) {
    counter!("doorward_tickets_total", "tenant" => tenant.to_owned(), "app" => app.to_owned(), "outcome" => outcome)
        .increment(1);
}

/// How old the keys of a trusted issuer are, and for how long they could not be fetched, in seconds. What is not known
/// is no number, and so is everything about an issuer that is not there any more.
pub fn issuer_keys(tenant: &str, issuer: &str, age: Option<f64>, failing: Option<f64>) {
    let labels = || [("tenant", tenant.to_owned()), ("issuer", issuer.to_owned())];
    gauge!("doorward_issuer_keys_age_seconds", &labels()).set(age.unwrap_or(f64::NAN));
    gauge!("doorward_issuer_keys_failing_seconds", &labels()).set(failing.unwrap_or(f64::NAN));
}

/// Counts what a service had judged.
pub fn count_verification(tenant: &str, outcome: &'static str) {
    counter!("doorward_verifications_total", "tenant" => tenant.to_owned(), "outcome" => outcome)
        .increment(1);
}

/// Counts a rule's `when` that could not be judged.
pub fn count_failed_condition(tenant: &str, app: &str) {
    counter!("doorward_failed_conditions_total", "tenant" => tenant.to_owned(), "app" => app.to_owned())
        .increment(1);
}

/// Counts tokens, keys and passwords that were judged; not those that are remembered. `scheme` and `outcome` are of
/// fixed lists: `accepted`, `invalid`, `malformed`, `unjudged`, `over_limit`.
pub fn count_credential(tenant: &str, scheme: &'static str, outcome: &'static str) {
    counter!("doorward_credentials_total", "tenant" => tenant.to_owned(), "scheme" => scheme, "outcome" => outcome)
        .increment(1);
}

/// Counts looks at people who are signed in, by provider. `outcome` is of a fixed list: `unchanged`, `changed`,
/// `ended`, `failed`, `lost`.
pub fn count_refresh(tenant: &str, provider: &str, outcome: &'static str) {
    counter!("doorward_refreshes_total", "tenant" => tenant.to_owned(), "provider" => provider.to_owned(), "outcome" => outcome)
        .increment(1);
}

/// Counts tokens of ours that were issued, or refused. `client` is one of the configuration, or empty where nobody
/// has proved to be one. `outcome` is of a fixed list: `issued`, `refused`, `revoked`.
pub fn count_token(tenant: &str, client: &str, outcome: &'static str) {
    counter!("doorward_tokens_total", "tenant" => tenant.to_owned(), "client" => client.to_owned(), "outcome" => outcome)
        .increment(1);
}

/// How long one login asked its provider in the background: metadata, code, keys, userinfo.
pub fn provider_took(tenant: &str, provider: &str, succeeded: bool, took: std::time::Duration) {
    let outcome = if succeeded { "succeeded" } else { "failed" };
    histogram!("doorward_provider_seconds", "tenant" => tenant.to_owned(), "provider" => provider.to_owned(), "outcome" => outcome)
        .record(took.as_secs_f64());
}

/// How long the store was asked for an app session that was not in memory. `outcome` is of a fixed list:
/// `found`, `unknown`, `failed`.
pub fn look_up_took(outcome: &'static str, took: std::time::Duration) {
    histogram!("doorward_session_lookup_seconds", "outcome" => outcome).record(took.as_secs_f64());
}

/// How many sessions, and app sessions, this process has in memory.
pub fn sessions_in_memory(sessions: u32, app_sessions: u32) {
    gauge!("doorward_sessions_in_memory", "kind" => "session").set(sessions);
    gauge!("doorward_sessions_in_memory", "kind" => "app_session").set(app_sessions);
}

/// Counts a fetch of a discovery document or key set, and how long it took.
pub fn count_fetch(succeeded: bool, took: std::time::Duration) {
    let outcome = if succeeded { "succeeded" } else { "failed" };
    counter!("doorward_fetches_total", "outcome" => outcome).increment(1);
    histogram!("doorward_fetch_seconds", "outcome" => outcome).record(took.as_secs_f64());
}

/// Counts a time the configuration was read again.
pub fn count_reload(applied: bool) {
    let outcome = if applied { "applied" } else { "refused" };
    counter!("doorward_reloads_total", "outcome" => outcome).increment(1);
}

/// Starts collecting, once in a process. `None` where somebody else collects already.
#[must_use]
pub fn start() -> Option<PrometheusHandle> {
    static COLLECTED: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    COLLECTED.get_or_init(install).clone()
}

fn install() -> Option<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(
            Matcher::Suffix("_seconds".to_owned()),
            &[0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 5.0, 10.0],
        )
        .ok()?
        .install_recorder()
        .ok()?;
    describe_counter!(
        "doorward_checks_total",
        "Forward-auth checks by tenant, app and outcome."
    );
    describe_counter!(
        "doorward_logins_total",
        "Logins by tenant, provider and outcome."
    );
    describe_counter!(
        "doorward_forwarded_total",
        "Requests forwarded to apps, by tenant, app and outcome."
    );
    describe_counter!(
        "doorward_sessions_total",
        "Sessions begun and ended, by tenant."
    );
    describe_counter!(
        "doorward_reloads_total",
        "Times the configuration was read again while running, by outcome."
    );
    describe_counter!(
        "doorward_rate_limited_total",
        "Requests refused because there were too many, by tenant, what was asked for, and whose limit it was."
    );
    describe_counter!(
        "doorward_login_loops_total",
        "Sign-ins that went in a circle and were stopped, by tenant, app and likely cause."
    );
    describe_counter!(
        "doorward_fetches_total",
        "Discovery and key documents fetched, by outcome."
    );
    describe_counter!(
        "doorward_tickets_total",
        "Tickets brought to an app's host, by tenant, app and outcome."
    );
    describe_counter!(
        "doorward_credentials_total",
        "Tokens, keys and passwords that were judged, by tenant, scheme and outcome."
    );
    describe_counter!(
        "doorward_verifications_total",
        "What services had judged at `/verify`, by tenant and outcome."
    );
    describe_counter!(
        "doorward_failed_conditions_total",
        "Requests refused because a rule's `when` could not be judged, by tenant and app."
    );
    describe_counter!(
        "doorward_refreshes_total",
        "Looks at people who are signed in, by tenant, provider and outcome."
    );
    describe_histogram!(
        "doorward_provider_seconds",
        "Time that a login asked its provider in the background, by tenant, provider and outcome."
    );
    describe_histogram!(
        "doorward_session_lookup_seconds",
        "Time that the store took to find a session that was not in memory, by outcome."
    );
    describe_histogram!(
        "doorward_fetch_seconds",
        "Time to fetch a discovery or key document, by outcome."
    );
    describe_gauge!(
        "doorward_sessions_in_memory",
        "Sessions and app sessions that this process has in memory."
    );
    describe_histogram!(
        "doorward_page_seconds",
        "Time to answer a page, by route and class of status."
    );
    describe_gauge!(
        "doorward_issuer_keys_age_seconds",
        "How long ago the keys of a trusted issuer were fetched, by tenant and issuer."
    );
    describe_gauge!(
        "doorward_issuer_keys_failing_seconds",
        "For how long the keys of a trusted issuer could not be fetched, by tenant and issuer; 0: they can."
    );
    describe_gauge!("doorward_build_info", "1, with the version that runs.");
    gauge!("doorward_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Some(handle)
}
