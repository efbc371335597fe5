//! Between JSON, which is what the rules know, and the values of expressions.

use std::sync::Arc;

use cel::Value as CelValue;
use cel::objects::Key;
use serde_json::{Map, Number, Value};

/// How many entries the longest list or map has; with `texts`, also how many bytes the longest text has.
pub(super) fn longest(value: &Value, texts: bool) -> usize {
    let within = |length: usize, most: Option<usize>| length.max(most.unwrap_or_default());
    match value {
        Value::Array(values) => within(
            values.len(),
            values.iter().map(|it| longest(it, texts)).max(),
        ),
        Value::Object(members) => within(
            members.len(),
            members.values().map(|it| longest(it, texts)).max(),
        ),
        Value::String(text) if texts => text.len(),
        _ => 0,
    }
}

/// Whole numbers are signed where they can be, so that `claims.level == 5` and `claims.level > -1` are about
/// the same kind.
pub(super) fn to_cel(value: &Value) -> CelValue {
    match value {
        Value::Null => CelValue::Null,
        Value::Bool(truth) => CelValue::Bool(*truth),
        Value::Number(number) => number
            .as_i64()
            .map(CelValue::Int)
            .or_else(|| number.as_u64().map(CelValue::UInt))
            .or_else(|| number.as_f64().map(CelValue::Float))
            .unwrap_or(CelValue::Null),
        Value::String(text) => CelValue::String(Arc::new(text.clone())),
        Value::Array(values) => CelValue::List(Arc::new(values.iter().map(to_cel).collect())),
        Value::Object(members) => {
            let members = members.iter();
            let map =
                members.map(|(name, value)| (Key::String(Arc::new(name.clone())), to_cel(value)));
            CelValue::Map(cel::objects::Map {
                map: Arc::new(map.collect()),
            })
        }
    }
}

pub(super) fn from_cel(value: &CelValue) -> Option<Value> {
    Some(match value {
        CelValue::Null => Value::Null,
        CelValue::Bool(truth) => Value::Bool(*truth),
        CelValue::Int(number) => Value::Number((*number).into()),
        CelValue::UInt(number) => Value::Number((*number).into()),
        CelValue::Float(number) => Number::from_f64(*number).map_or(Value::Null, Value::Number),
        CelValue::String(text) => Value::String(text.to_string()),
        CelValue::List(values) => Value::Array(values.iter().map(from_cel).collect::<Option<_>>()?),
        // Nobody asks for one; what it is not, is told.
        CelValue::Map(_) => Value::Object(Map::new()),
        _ => return None,
    })
}
