//! JSON from outside: one object, no deeper than people mean, and no member twice.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

/// Nothing is nested deeper, the object itself included.
pub(super) const MAX_DEPTH: usize = 32;

/// The members of the object that `document` is; none if it is another thing, or has a member twice, or is
/// nested deeper than [`MAX_DEPTH`].
pub(super) fn object(document: &[u8]) -> Option<Map<String, Value>> {
    let UniqueMembers(members) = serde_json::from_slice(document).ok()?;
    let shallow = members.values().all(|value| within(value, MAX_DEPTH - 1));
    shallow.then_some(members)
}

/// A JSON object without a member twice (RFC 7515 §4, RFC 7519 §4): two readers that choose differently among
/// doubles would each check another document.
struct UniqueMembers(Map<String, Value>);

impl<'de> Deserialize<'de> for UniqueMembers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = UniqueMembers;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UniqueMembers, A::Error> {
                let mut members = Map::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("a member twice"));
                    }
                }
                Ok(UniqueMembers(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

pub(super) fn within(value: &Value, depth: usize) -> bool {
    match value {
        Value::Array(items) => depth > 0 && items.iter().all(|item| within(item, depth - 1)),
        Value::Object(members) => depth > 0 && members.values().all(|item| within(item, depth - 1)),
        _ => true,
    }
}
