//! The dashboard asks for what is really exported.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::support::broker::{Broker, CONFIGURATION, Setup};
use crate::support::nodes::{ACME, WIKI};

/// Each name in `/metrics`, with its labels.
fn exported(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name: String = line.chars().take_while(|c| is_of_name(*c)).collect();
        let labels = line
            .split_once('{')
            .map_or("", |(_, rest)| rest.split_once('}').expect("an end").0);
        let names = labels
            .split("\",")
            .filter_map(|pair| Some(pair.split_once('=')?.0.to_owned()));
        found.entry(name).or_default().extend(names);
    }
    found
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The metrics that a query names.
fn metrics_of(query: &str) -> BTreeSet<String> {
    query
        .split(|c: char| !is_of_name(c))
        .filter(|word| word.starts_with("doorward_"))
        .map(ToOwned::to_owned)
        .collect()
}

/// The labels that a query names: in braces, and behind `by`.
fn labels_of(query: &str) -> BTreeSet<String> {
    let mut labels = BTreeSet::new();
    for inside in query.split('{').skip(1) {
        let inside = inside.split_once('}').expect("an end").0;
        let names = inside.split('"').step_by(2).filter_map(|part| {
            let name = part
                .trim_matches([',', ' '])
                .split(['=', '!', '~'])
                .next()?;
            (!name.is_empty()).then(|| name.to_owned())
        });
        labels.extend(names);
    }
    for behind in query.split("by (").skip(1) {
        let names = behind.split_once(')').expect("an end").0;
        labels.extend(names.split(',').map(|name| name.trim().to_owned()));
    }
    labels
}

fn dashboard() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/grafana-dashboard.json");
    let text = std::fs::read_to_string(path).expect("a dashboard");
    serde_json::from_str(&text).expect("JSON")
}

fn queries(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array())
        .flatten();
    targets
        .map(|target| target["expr"].as_str().expect("a query").to_owned())
        .collect()
}

/// A broker to which everything has happened that is counted.
async fn everything() -> String {
    let limits = "[limits.failed_checks]\naddress = 1\n";
    let broker = Broker::with(Setup {
        configuration: format!("{limits}{CONFIGURATION}"),
        ..Setup::default()
    })
    .await;
    let mut ada = broker.browser();
    // Round and round, as behind a proxy that does not pass the cookie on.
    for _ in 0..4 {
        broker.sign_in(&mut ada, WIKI, "/").await;
        broker.clock.advance(Duration::from_millis(20));
    }
    broker.check(&ada, "GET", WIKI, "/").await;
    let stranger = broker.browser().always("x-forwarded-for", "198.51.100.7");
    for _ in 0..2 {
        broker.check(&stranger, "GET", WIKI, "/").await;
    }
    broker.door.upkeep().await;
    // What takes a process of its own, or an app, has tests of its own.
    doorward::telemetry::metrics::count_forwarded("acme", "wiki", "answered");
    doorward::telemetry::metrics::count_reload(true);
    doorward::telemetry::metrics::count_credential("acme", "api_key", "accepted");
    doorward::telemetry::metrics::count_refresh("acme", "main", "unchanged");
    doorward::telemetry::metrics::issuer_keys("acme", "it", Some(1.0), Some(0.0));
    doorward::telemetry::metrics::count_token("acme", "report", "issued");
    doorward::telemetry::metrics::count_verification("acme", "active");
    doorward::telemetry::metrics::count_failed_condition("acme", "wiki");
    let mut scraper = broker.browser();
    let page = scraper.visit(&broker.url(ACME, "/metrics")).await;
    page.html()
}

#[tokio::test]
async fn every_query_of_the_dashboard_has_an_answer() {
    let exported = exported(&everything().await);
    let dashboard = dashboard();
    let queries = queries(&dashboard);
    assert!(queries.len() >= 15, "{queries:?}");
    // What Prometheus itself adds.
    let added = ["instance", "job"];
    for query in &queries {
        let metrics = metrics_of(query);
        assert!(!metrics.is_empty(), "{query}");
        for metric in &metrics {
            let Some(labels) = exported.get(metric) else {
                panic!("{metric} is not exported: {query}\n{:?}", exported.keys());
            };
            for label in labels_of(query) {
                assert!(
                    labels.contains(&label) || added.contains(&label.as_str()),
                    "{metric} has no {label}: {query}"
                );
            }
        }
    }
    let variables = dashboard["templating"]["list"].as_array().expect("a list");
    for variable in variables.iter().filter(|one| one["type"] == "query") {
        let query = variable["query"].as_str().expect("a query");
        let (metric, label) = query
            .trim_start_matches("label_values(")
            .trim_end_matches(')')
            .split_once(", ")
            .expect("a metric and a label");
        assert!(exported[metric].contains(label), "{query}");
    }
}

/// What is exported is shown, or said here why not; and what is shown is explained to operators.
#[tokio::test]
async fn every_metric_is_on_the_dashboard_and_in_the_guide() {
    let shown: BTreeSet<String> = queries(&dashboard())
        .iter()
        .flat_map(|query| metrics_of(query))
        .map(|name| family(&name).to_owned())
        .collect();
    let guide = include_str!("../../../docs/operating.md");
    for name in exported(&everything().await).keys() {
        if !name.starts_with("doorward_") {
            continue;
        }
        let name = family(name);
        assert!(shown.contains(name), "{name} is not on the dashboard");
        assert!(
            guide.contains(&format!("`{name}`")),
            "{name} is not in the guide"
        );
    }
}

/// A histogram's name, without what its series add.
fn family(name: &str) -> &str {
    ["_bucket", "_sum", "_count"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))
        .unwrap_or(name)
}
