//! Which browser a session belongs to, in words that its owner recognizes.
//!
//! `User-Agent` has no grammar worth the name and browsers freeze most of it; the aim is that people can
//! tell their own sessions apart, not statistics. Nothing may be decided by it.

/// What an unknown browser is called.
const UNKNOWN: &str = "Unknown browser";

/// Marks of browsers, the imitators before the imitated: nearly all say `Chrome` and `Safari`.
const BROWSERS: [(&str, &str); 10] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
];

/// Marks of systems, the particular before the general: Android says `Linux`, an iPhone `Mac OS X`.
const SYSTEMS: [(&str, &str); 8] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

/// "Firefox on Windows", from a `User-Agent` header (RFC 9110 §10.1.5). Always one of our own words.
#[must_use]
pub fn browser_in_words(user_agent: Option<&str>) -> String {
    let agent = user_agent.unwrap_or_default();
    let find = |marks: &[(&str, &'static str)]| {
        marks
            .iter()
            .find(|(mark, _)| agent.contains(mark))
            .map(|(_, word)| *word)
    };
    match (find(&BROWSERS), find(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, Some(system)) => format!("{UNKNOWN} on {system}"),
        (None, None) => UNKNOWN.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::firefox(
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "Firefox on Windows"
    )]
    #[case::edge(
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
        "Edge on Windows"
    )]
    #[case::chrome(
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
        "Chrome on Linux"
    )]
    #[case::android(
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36",
        "Chrome on Android"
    )]
    #[case::safari(
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Safari/605.1.15",
        "Safari on macOS"
    )]
    #[case::iphone(
        "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/140.0 Mobile/15E148 Safari/604.1",
        "Chrome on iPhone"
    )]
    #[case::tool("curl/8.5.0", "curl")]
    #[case::hostile("<script>alert(1)</script>", "Unknown browser")]
    #[case::empty("", "Unknown browser")]
    fn a_browser_has_a_name(#[case] agent: &str, #[case] words: &str) {
        assert_eq!(browser_in_words(Some(agent)), words);
    }

    #[test]
    fn no_header_is_an_unknown_browser() {
        assert_eq!(browser_in_words(None), UNKNOWN);
    }
}
