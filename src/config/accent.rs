//! Accent colours, which must leave text readable.

use super::reader::Item;
use crate::domain::tenant::Accent;

/// Least contrast of text (WCAG 2.2, success criterion 1.4.3).
const LEAST: f64 = 4.5;

/// Text on the accent, light and dark.
const TEXT: [(&str, [u8; 3]); 2] = [("light", [0xff; 3]), ("dark", [0x0b, 0x10, 0x20])];

pub(super) fn read(item: &Item<'_>) -> Option<Accent> {
    let help = "write both: { light = \"#2a56e0\", dark = \"#8eabff\" }";
    let section = item.section("`accent`")?;
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

fn colour(item: &Item<'_>, text: [u8; 3]) -> Option<Box<str>> {
    let value = item.text()?;
    let Some(colour) = components(value) else {
        item.fault_with_help(
            format!("{} is not a colour", item.shown()),
            "write it as #rrggbb: \"#2a56e0\"",
        );
        return None;
    };
    let contrast = contrast(colour, text);
    if contrast < LEAST {
        // Rounded down, so that 4.49 is not told as 4.5.
        let shown = (contrast * 100.0).floor() / 100.0;
        let [r, g, b] = text;
        item.fault_with_help(
            format!(
                "{value} has a contrast of {shown:.2}:1 to the text on it (#{r:02x}{g:02x}{b:02x}), which is hard to read"
            ),
            format!(
                "choose a {} one: at least {LEAST}:1 is needed",
                if item.name == "light" { "darker" } else { "lighter" }
            ),
        );
        return None;
    }
    Some(value.to_ascii_lowercase().into())
}

fn components(text: &str) -> Option<[u8; 3]> {
    let digits = text.strip_prefix('#')?;
    if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let [_, r, g, b] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
    Some([r, g, b])
}

/// WCAG 2.2, "contrast ratio".
fn contrast(one: [u8; 3], other: [u8; 3]) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// WCAG 2.2, "relative luminance".
fn luminance(colour: [u8; 3]) -> f64 {
    let [r, g, b] = colour.map(|component| {
        let value = f64::from(component) / 255.0;
        if value <= 0.04045 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    });
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contrast_is_that_of_the_standard() {
        let rounded = |one, other| (contrast(one, other) * 10.0).round() / 10.0;
        assert!((rounded([0; 3], [255; 3]) - 21.0).abs() < f64::EPSILON);
        assert!((rounded([0x2a, 0x56, 0xe0], [255; 3]) - 6.0).abs() < f64::EPSILON);
        assert!((rounded([0x8e, 0xab, 0xff], [0x0b, 0x10, 0x20]) - 8.5).abs() < f64::EPSILON);
    }

    #[test]
    fn a_sign_is_no_digit() {
        assert_eq!(components("#+12345"), None);
        assert_eq!(components("#a1B2c3"), Some([0xa1, 0xb2, 0xc3]));
    }
}
