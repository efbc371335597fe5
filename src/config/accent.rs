//! Accent colours, which must leave text readable.

use super::reader::Item;
use super::table::{Key, Shape, Table};
use crate::domain::colour::Colour;
use crate::domain::tenant::Accent;

/// Least contrast of text (WCAG 2.2, success criterion 1.4.3).
const LEAST: f64 = 4.5;

/// Text on the accent, light and dark.
const TEXT: [(&str, Colour); 2] = [
    ("light", Colour::new([0xff; 3])),
    ("dark", Colour::new([0x0b, 0x10, 0x20])),
];

pub(super) static TABLE: Table = Table::new(
    "`accent`",
    "Colours of the pages.",
    &[
        Key::new("light", Shape::Colour, "Carries white text.").required(),
        Key::new("dark", Shape::Colour, "Carries #0b1020.").required(),
    ],
);

pub(super) fn read(item: &Item<'_>) -> Option<Accent> {
    let help = "write both: { light = \"#2a56e0\", dark = \"#8eabff\" }";
    let section = item.section(&TABLE)?;
    let [light, dark] = TEXT.map(|(key, text)| {
        section
            .require(key, help)
            .and_then(|item| colour(&item, text))
    });
    section.finish();
    Some(Accent {
        light: light?,
        dark: dark?,
    })
}

fn colour(item: &Item<'_>, text: Colour) -> Option<Colour> {
    let Ok(colour) = item.text()?.parse::<Colour>() else {
        item.fault_with_help(
            format!("{} is not a colour", item.shown()),
            "write it as #rrggbb: \"#2a56e0\"",
        );
        return None;
    };
    let contrast = colour.contrast(text);
    if contrast < LEAST {
        // Rounded down, so that 4.49 is not told as 4.5.
        let shown = (contrast * 100.0).floor() / 100.0;
        item.fault_with_help(
            format!(
                "{colour} has a contrast of {shown:.2}:1 to the text on it ({text}), which is hard to read"
            ),
            format!(
                "choose a {} one: at least {LEAST}:1 is needed",
                if item.name == "light" { "darker" } else { "lighter" }
            ),
        );
        return None;
    }
    Some(colour)
}
