//! What surrounds every page: whose it is, in which colours, in which language.

use serde::Serialize;

use crate::domain::colour::Colour;
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
    on_light: String,
    dark: String,
    on_dark: String,
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
            accent: accent.map(|accent| AccentTokens {
                on_light: written_on(accent.light),
                on_dark: written_on(accent.dark),
                light: accent.light.to_string(),
                dark: accent.dark.to_string(),
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

const LIGHT_TEXT: Colour = Colour::new([0xff, 0xff, 0xff]);
const DARK_TEXT: Colour = Colour::new([0x0b, 0x10, 0x20]);

/// The text colour that is easier to read on `background`.
fn written_on(background: Colour) -> String {
    let [light, dark] = [LIGHT_TEXT, DARK_TEXT].map(|text| text.contrast(background));
    let text = if light >= dark { LIGHT_TEXT } else { DARK_TEXT };
    text.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn accent(light: &str, dark: &str) -> Option<AccentTokens> {
        let accent = Accent {
            light: light.parse().expect("a colour"),
            dark: dark.parse().expect("a colour"),
        };
        TenantChrome::new("Acme", Some(&accent)).accent
    }

    #[test]
    fn text_on_an_accent_is_the_one_that_can_be_read() {
        let tokens = accent("#00695c", "#8eabff").expect("two colours");
        assert_eq!(
            (&*tokens.on_light, &*tokens.on_dark),
            ("#ffffff", "#0b1020")
        );
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
}
