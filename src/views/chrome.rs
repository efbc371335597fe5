//! What surrounds every page: whose it is, in which colours, in which language.

use serde::Serialize;

use crate::domain::tenant::{Accent, Tenant};

/// What surrounds a page.
#[derive(Clone, Debug, Serialize)]
pub struct Chrome {
    /// Whose page it is; `None` where the host belongs to nobody.
    pub tenant: Option<TenantChrome>,
    /// Nonce of the one inline style, fresh for every response (CSP Level 3 §7.1): at least 128 bits,
    /// base64.
    pub style_nonce: String,
    /// Language of the texts, for `<html lang>` (BCP 47).
    pub language: String,
}

/// How a tenant looks.
#[derive(Clone, Debug, Serialize)]
pub struct TenantChrome {
    /// What people call it.
    pub name: String,
    /// The letter of its badge.
    mark: String,
    /// Its colours; `None`: ours.
    accent: Option<AccentTokens>,
}

/// The colours of a tenant's accent and of what is written on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct AccentTokens {
    light: String,
    on_light: &'static str,
    dark: String,
    on_dark: &'static str,
}

impl Chrome {
    /// The surroundings of a page that belongs to nobody.
    #[must_use]
    pub fn bare(style_nonce: &str) -> Self {
        Self {
            tenant: None,
            style_nonce: style_nonce.to_owned(),
            language: "en".to_owned(),
        }
    }

    /// The surroundings of `tenant`'s pages.
    #[must_use]
    pub fn of(tenant: &Tenant, style_nonce: &str) -> Self {
        Self {
            tenant: Some(TenantChrome::new(&tenant.name, tenant.accent.as_ref())),
            ..Self::bare(style_nonce)
        }
    }
}

impl TenantChrome {
    /// The look of a tenant called `name`. An accent that is not `#rrggbb` is left out: it would be
    /// written into a style sheet, where nothing can be escaped.
    #[must_use]
    pub fn new(name: &str, accent: Option<&Accent>) -> Self {
        Self {
            name: name.to_owned(),
            mark: mark_of(name),
            accent: accent.and_then(|accent| {
                Some(AccentTokens {
                    on_light: written_on(Rgb::parse(&accent.light)?),
                    on_dark: written_on(Rgb::parse(&accent.dark)?),
                    light: accent.light.to_string(),
                    dark: accent.dark.to_string(),
                })
            }),
        }
    }
}

/// The letter of a badge: the first letter or digit of `name`, in upper case.
#[must_use]
pub fn mark_of(name: &str) -> String {
    name.chars()
        .find(|letter| letter.is_alphanumeric())
        .map_or_else(|| "·".to_owned(), |letter| letter.to_uppercase().collect())
}

const LIGHT_TEXT: (&str, Rgb) = ("#ffffff", Rgb([0xff, 0xff, 0xff]));
const DARK_TEXT: (&str, Rgb) = ("#0b1020", Rgb([0x0b, 0x10, 0x20]));

/// The text colour that is easier to read on `background`.
fn written_on(background: Rgb) -> &'static str {
    let [light, dark] = [LIGHT_TEXT, DARK_TEXT].map(|(_, text)| contrast(text, background));
    if light >= dark {
        LIGHT_TEXT.0
    } else {
        DARK_TEXT.0
    }
}

#[derive(Clone, Copy, Debug)]
struct Rgb([u8; 3]);

impl Rgb {
    fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|digits| {
            digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
        })?;
        let [_, red, green, blue] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
        Some(Self([red, green, blue]))
    }

    /// WCAG 2.2, "relative luminance".
    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(|channel| {
            let channel = f64::from(channel) / 255.0;
            if channel <= 0.04045 {
                channel / 12.92
            } else {
                ((channel + 0.055) / 1.055).powf(2.4)
            }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

/// WCAG 2.2, "contrast ratio".
fn contrast(a: Rgb, b: Rgb) -> f64 {
    let (a, b) = (a.luminance(), b.luminance());
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn accent(light: &str, dark: &str) -> Option<AccentTokens> {
        let accent = Accent {
            light: light.into(),
            dark: dark.into(),
        };
        TenantChrome::new("Acme", Some(&accent)).accent
    }

    #[test]
    fn text_on_an_accent_is_the_one_that_can_be_read() {
        let tokens = accent("#00695c", "#8eabff").expect("two colours");
        assert_eq!((tokens.on_light, tokens.on_dark), ("#ffffff", "#0b1020"));
    }

    #[rstest]
    #[case::closes_the_rule("#fff}*{display:none")]
    #[case::closes_the_element("</style>")]
    #[case::name("red")]
    #[case::short("#fff")]
    #[case::sign("#+12345")]
    #[case::without_hash("2a56e0f")]
    fn a38_an_accent_that_is_no_colour_stays_out_of_the_style_sheet(#[case] colour: &str) {
        assert_eq!(accent(colour, "#8eabff"), None);
        assert_eq!(accent("#2a56e0", colour), None);
    }

    #[rstest]
    #[case("acme", "A")]
    #[case("  „Ölmühle“ GmbH", "Ö")]
    #[case("1&1", "1")]
    #[case("東京", "東")]
    #[case("***", "·")]
    #[case("", "·")]
    fn the_mark_is_the_first_letter(#[case] name: &str, #[case] mark: &str) {
        assert_eq!(mark_of(name), mark);
    }

    #[test]
    fn contrast_is_that_of_the_standard() {
        let black = Rgb::parse("#000000").expect("a colour");
        let white = Rgb::parse("#ffffff").expect("a colour");
        assert!((contrast(black, white) - 21.0).abs() < 1e-9);
        let grey = Rgb::parse("#767676").expect("a colour");
        assert!((contrast(grey, white) - 4.54).abs() < 0.01);
    }
}
