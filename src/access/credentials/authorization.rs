//! `Authorization` (RFC 9110 §11.6.2): a scheme, spaces, and what is shown.

use http::{HeaderMap, header};

/// What `Authorization` shows by one scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByScheme<'a> {
    /// Nothing.
    Nothing,
    /// This, without the space around it.
    Shown(&'a [u8]),
    /// There are several headers: which one the app would go by is not known.
    Several,
}

/// What is shown by `scheme`, in whatever case it is written. What another scheme shows is nothing.
pub(super) fn by_scheme<'a>(headers: &'a HeaderMap, scheme: &str) -> ByScheme<'a> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let Some(first) = all.next() else {
        return ByScheme::Nothing;
    };
    let shown = of_scheme(first.as_bytes(), scheme);
    if all.next().is_none() {
        return shown.map_or(ByScheme::Nothing, ByScheme::Shown);
    }
    let mut others = headers.get_all(header::AUTHORIZATION).iter().skip(1);
    if shown.is_some() || others.any(|value| of_scheme(value.as_bytes(), scheme).is_some()) {
        ByScheme::Several
    } else {
        ByScheme::Nothing
    }
}

fn of_scheme<'a>(value: &'a [u8], scheme: &str) -> Option<&'a [u8]> {
    let value = value.trim_ascii();
    let (name, rest) = value.split_at_checked(scheme.len())?;
    let is_whole = rest.first().is_none_or(u8::is_ascii_whitespace);
    (is_whole && name.eq_ignore_ascii_case(scheme.as_bytes())).then(|| rest.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use rstest::rstest;

    #[rstest]
    #[case::usual(&["Basic YTpi"], ByScheme::Shown(b"YTpi"))]
    #[case::case_is_nothing(&["bAsIC YTpi"], ByScheme::Shown(b"YTpi"))]
    #[case::spaces(&["  Basic    YTpi  "], ByScheme::Shown(b"YTpi"))]
    #[case::tab(&["Basic\tYTpi"], ByScheme::Shown(b"YTpi"))]
    #[case::empty(&["Basic"], ByScheme::Shown(b""))]
    #[case::another(&["Bearer YTpi"], ByScheme::Nothing)]
    #[case::longer(&["Basics YTpi"], ByScheme::Nothing)]
    #[case::none(&[], ByScheme::Nothing)]
    #[case::blank(&[""], ByScheme::Nothing)]
    #[case::twice(&["Basic YTpi", "Basic YTpi"], ByScheme::Several)]
    #[case::after_another(&["Bearer x", "Basic YTpi"], ByScheme::Several)]
    #[case::before_another(&["Basic YTpi", "Bearer x"], ByScheme::Several)]
    #[case::others_only(&["Bearer x", "Digest y"], ByScheme::Nothing)]
    fn what_is_shown_is_found(#[case] values: &[&str], #[case] expected: ByScheme<'_>) {
        let mut headers = HeaderMap::new();
        for value in values {
            let value = HeaderValue::from_str(value).expect("a value");
            headers.append(header::AUTHORIZATION, value);
        }
        assert_eq!(by_scheme(&headers, "Basic"), expected);
    }
}
