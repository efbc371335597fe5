//! `[tenants.signing]`: our own keys for a tenant.

use std::time::Duration;

use super::reader::Item;
use super::table::{Key, Shape, Table};
use crate::domain::signing_key::{SigningAlgorithm, SigningRules};

const LEAST: Duration = SigningRules::SHORTEST.unsigned_abs();
const MOST: Duration = SigningRules::LONGEST.unsigned_abs();

const ALGORITHMS: &[(&str, SigningAlgorithm)] = &[
    ("ES256", SigningAlgorithm::Es256),
    ("RS256", SigningAlgorithm::Rs256),
    ("EdDSA", SigningAlgorithm::EdDsa),
];

pub(super) static TABLE: Table = Table::new(
    "[tenants.signing]",
    "The keys that sign what this tenant issues. They are made, sealed, published and replaced by themselves.",
    &[
        Key::new(
            "algorithm",
            Shape::Words(&["ES256", "RS256", "EdDSA"]),
            "With what tokens are signed. A change makes a new key, which takes over half an hour later.",
        )
        .or("ES256"),
        Key::new(
            "rotate_after",
            Shape::Duration(LEAST, MOST),
            "How long a key signs before the next one takes over.",
        )
        .or("30d"),
    ],
);

pub(super) fn read(item: Option<&Item<'_>>) -> SigningRules {
    let default = SigningRules::default();
    let Some(section) = item.and_then(|item| item.section(&TABLE)) else {
        return default;
    };
    let algorithm = section.get("algorithm");
    let rotate_after = section.get("rotate_after");
    section.finish();
    SigningRules {
        algorithm: algorithm
            .and_then(|item| item.choice(ALGORITHMS))
            .unwrap_or(default.algorithm),
        rotate_after: rotate_after
            .and_then(|item| item.duration(LEAST, MOST))
            .and_then(|length| length.try_into().ok())
            .unwrap_or(default.rotate_after),
    }
}
