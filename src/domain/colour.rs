//! Colours, and whether text on them can be read.

use std::fmt;
use std::str::FromStr;

/// An sRGB colour. Written and printed as `#rrggbb`, so that it can stand in a style sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour([u8; 3]);

/// Text that is no colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a colour: write it as `#rrggbb`")]
pub struct InvalidColour;

impl Colour {
    /// From red, green and blue.
    #[must_use]
    pub const fn new(components: [u8; 3]) -> Self {
        Self(components)
    }

    /// From 1 to 21; text wants 4.5 (WCAG 2.2, "contrast ratio" and success criterion 1.4.3).
    #[must_use]
    pub fn contrast(self, other: Self) -> f64 {
        let (one, other) = (self.luminance(), other.luminance());
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    /// WCAG 2.2, "relative luminance".
    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(|component| {
            let value = f64::from(component) / 255.0;
            if value <= 0.04045 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

impl FromStr for Colour {
    type Err = InvalidColour;

    fn from_str(text: &str) -> Result<Self, InvalidColour> {
        let digits = text
            .strip_prefix('#')
            .filter(|digits| digits.len() == 6)
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .ok_or(InvalidColour)?;
        let number = u32::from_str_radix(digits, 16).map_err(|_| InvalidColour)?;
        let [_, red, green, blue] = number.to_be_bytes();
        Ok(Self([red, green, blue]))
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(formatter, "#{red:02x}{green:02x}{blue:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn colour(text: &str) -> Colour {
        text.parse().expect("a colour")
    }

    #[rstest]
    #[case("#000000", "#ffffff", 21.0)]
    #[case("#2a56e0", "#ffffff", 6.0)]
    #[case("#8eabff", "#0b1020", 8.5)]
    #[case("#767676", "#FFFFFF", 4.5)]
    fn contrast_is_that_of_the_standard(
        #[case] one: &str,
        #[case] other: &str,
        #[case] expected: f64,
    ) {
        let found = colour(one).contrast(colour(other));
        assert!((found - expected).abs() < 0.05, "{found}");
    }

    #[rstest]
    #[case::closes_the_rule("#fff}*{display:none")]
    #[case::closes_the_element("</style>")]
    #[case::name("red")]
    #[case::short("#fff")]
    #[case::sign("#+12345")]
    #[case::without_hash("2a56e0f")]
    fn a38_what_is_no_colour_stays_out_of_the_style_sheet(#[case] text: &str) {
        assert_eq!(text.parse::<Colour>(), Err(InvalidColour));
    }
}
