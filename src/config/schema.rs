//! The JSON Schema of the file (draft 7, which TOML editors know), made from the declared tables.
//!
//! Invariant: what the reader accepts, the schema accepts; a test holds them against each other. The reverse
//! is not so: clashes between tenants, contrasts and public suffixes are no matter of shape, and `doorward
//! check` has the last word.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::table::{Key, Shape, Table};

/// The settings of one preset.
#[derive(Clone, Debug)]
pub(crate) struct PresetTable {
    /// The key that chooses it, in which tables.
    pub(crate) chooser: &'static str,
    pub(crate) name: Box<str>,
    pub(crate) keys: Vec<PresetKey>,
}

/// A setting that a preset brings along.
#[derive(Clone, Debug)]
pub(crate) struct PresetKey {
    pub(crate) name: Box<str>,
    pub(crate) about: Box<str>,
    pub(crate) shape: Shape,
    pub(crate) one_of: Vec<Box<str>>,
    pub(crate) required: bool,
    pub(crate) default: Option<Box<str>>,
    /// Several of them, in brackets.
    pub(crate) list: bool,
    /// Words that stand in place of all that.
    pub(crate) or: Vec<Box<str>>,
}

/// The schema of a configuration with these presets; a provider with another one may have any further keys.
pub(crate) fn schema(presets: &[PresetTable]) -> Value {
    let mut schema = table(&super::TABLE, presets);
    put(
        &mut schema,
        "$schema",
        "http://json-schema.org/draft-07/schema#",
    );
    put(&mut schema, "title", "Doorward");
    // Whether a map keeps the order of insertion is the choice of whoever else uses the crate.
    schema.sort_all_objects();
    schema
}

fn put(schema: &mut Value, key: &str, value: impl Into<Value>) {
    if let Some(object) = schema.as_object_mut() {
        object.insert(key.to_owned(), value.into());
    }
}

fn table(table: &Table, presets: &[PresetTable]) -> Value {
    let mut properties: Map<String, Value> = table
        .keys()
        .map(|key| (key.name.to_owned(), property(key, presets)))
        .collect();
    let required: Vec<_> = table.keys().filter(|key| key.required).collect();
    let required: Vec<_> = required.iter().map(|key| key.name).collect();
    let mut schema = json!({ "type": "object", "description": table.about });
    let own = |preset: &&PresetTable| table.open == Some(preset.chooser);
    let own: Vec<_> = presets.iter().filter(own).collect();
    if !own.is_empty() {
        let each = own.iter().map(|preset| only(table, preset));
        put(&mut schema, "allOf", each.collect::<Vec<_>>());
        for preset in own {
            offer(preset, &mut properties);
        }
    }
    if table.open.is_none() {
        put(&mut schema, "additionalProperties", false);
    }
    put(&mut schema, "properties", properties);
    if !required.is_empty() {
        put(&mut schema, "required", required);
    }
    if !table.exactly_one.is_empty() {
        let each = table.exactly_one.iter();
        let each = each.map(|key| json!({ "required": [key] }));
        put(&mut schema, "oneOf", each.collect::<Vec<_>>());
    }
    schema
}

fn property(key: &Key, presets: &[PresetTable]) -> Value {
    let mut schema = shape(key.shape, presets);
    let limits = limits(key.shape).map(|limits| format!(" {limits}"));
    let restart = if key.fixed {
        " A change needs a restart."
    } else {
        ""
    };
    let about = [key.about, limits.as_deref().unwrap_or_default(), restart].concat();
    put(&mut schema, "description", about);
    if let Some(default) = key.default {
        let written = match key.shape {
            Shape::Flag if matches!(default, "true" | "false") => Some((default == "true").into()),
            Shape::Numbers(_) | Shape::Integer(..) => default.parse::<i64>().ok().map(Value::from),
            // Other defaults are told in words: "the id".
            Shape::Words(words) if words.contains(&default) => Some(default.into()),
            Shape::Duration(..) | Shape::Socket | Shape::Path => Some(default.into()),
            _ => None,
        };
        if let Some(written) = written {
            put(&mut schema, "default", written);
        }
    }
    schema
}

/// Limits that a schema cannot hold a value against.
fn limits(shape: Shape) -> Option<String> {
    let Shape::Duration(least, most) = shape else {
        return None;
    };
    Some(format!(
        "A number with a unit, such as 30s, 15m, 8h, 7d; {} to {}.",
        short(least),
        short(most)
    ))
}

/// `400d`, as one would write it.
pub(super) fn short(duration: Duration) -> String {
    if duration.subsec_millis() != 0 {
        return format!("{}ms", duration.as_millis());
    }
    let seconds = duration.as_secs();
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    let unit = units
        .iter()
        .find(|(length, _)| seconds >= *length && seconds.is_multiple_of(*length));
    let (length, unit) = unit.copied().unwrap_or((1, "s"));
    format!("{}{unit}", seconds / length)
}

/// Patterns are those of ECMA-262, of the kind that every dialect understands.
fn shape(of: Shape, presets: &[PresetTable]) -> Value {
    let text = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    match of {
        Shape::Text | Shape::Path | Shape::Host => json!({ "type": "string", "minLength": 1 }),
        Shape::Line(most) => json!({ "type": "string", "minLength": 1, "maxLength": most }),
        Shape::Id => text("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"),
        Shape::Words(words) => json!({ "enum": words }),
        Shape::Prefixed(prefix) => text(&format!("^{prefix}.+$")),
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::Numbers(numbers) => json!({ "enum": numbers }),
        Shape::Integer(least, most) => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        Shape::Duration(..) => text("[0-9]\\s*[A-Za-z]"),
        Shape::Socket => text(":[0-9]+$"),
        Shape::Address => text("^[Hh][Tt][Tt][Pp][Ss]?:"),
        Shape::Network => text("/[0-9]+$"),
        Shape::Colour => text("^#[0-9A-Fa-f]{6}$"),
        Shape::Secret => table(&super::secrets::REFERENCE, presets),
        Shape::List(inner) => {
            json!({ "type": "array", "minItems": 1, "items": shape(*inner, presets) })
        }
        Shape::Entries(inner) => {
            json!({ "type": "object", "additionalProperties": shape(*inner, presets) })
        }
        Shape::Table(inner) => table(inner, presets),
        Shape::Tables(inner) => json!({ "type": "array", "items": table(inner, presets) }),
        Shape::Or(short, long) => {
            json!({ "anyOf": [shape(*short, presets), shape(*long, presets)] })
        }
    }
}

/// With this preset its own settings and those of every provider, and no other.
fn only(table: &Table, preset: &PresetTable) -> Value {
    let anything = table.keys().map(|key| (key.name.to_owned(), true.into()));
    let own = preset
        .keys
        .iter()
        .map(|key| (key.name.to_string(), preset_property(key)));
    let properties: Map<String, Value> = anything.chain(own).collect();
    let required: Vec<&str> = preset
        .keys
        .iter()
        .filter(|key| key.required)
        .map(|key| &*key.name)
        .collect();
    let chooser = preset.chooser;
    // Where the key may be left out, its default chooses.
    let default = table.key(chooser).and_then(|key| key.default);
    let named: &[&str] = if default == Some(&*preset.name) {
        &[]
    } else {
        &[chooser]
    };
    json!({
        "if": { "properties": { chooser: { "const": preset.name } }, "required": named },
        "then": {
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        },
    })
}

fn preset_property(key: &PresetKey) -> Value {
    let mut schema = if key.one_of.is_empty() {
        shape(key.shape, &[])
    } else {
        json!({ "enum": key.one_of })
    };
    if key.list {
        schema = json!({ "type": "array", "minItems": 1, "items": schema });
    }
    if !key.or.is_empty() {
        schema = json!({ "anyOf": [schema, { "enum": key.or }] });
    }
    put(&mut schema, "description", &*key.about);
    if let Some(default) = &key.default {
        put(&mut schema, "default", &**default);
    }
    schema
}

/// Editors complete what stands among the properties of the table itself.
fn offer(preset: &PresetTable, properties: &mut Map<String, Value>) {
    for key in &preset.keys {
        let (first, rest) = preset.chooser.split_at(1);
        let kind = format!("{}{rest}", first.to_ascii_uppercase());
        let about = format!("{kind} {}: {}.", preset.name, key.about);
        let known = properties
            .entry(key.name.to_string())
            .or_insert_with(|| json!({ "description": "" }));
        let so_far = known.get("description").and_then(Value::as_str);
        let all = format!("{}\n{about}", so_far.unwrap_or_default());
        put(known, "description", all.trim());
    }
}
