//! Hosts as they are compared: lower case, international names as A-labels, no default port.
//!
//! Invariant: two spellings of one host are one value, and a pattern matches whole labels only.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::Serialize;

/// A host, with its port where that is not the scheme's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(into = "String")]
pub struct Host {
    name: Box<str>,
    port: Option<u16>,
}

/// A value that is no host: white space, `@`, a path, an empty label, a bad port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a host: write it as `wiki.example.com` or `wiki.example.com:8443`")]
pub struct InvalidHost;

impl Host {
    /// Parses the value of a `Host` header (RFC 9110 §7.2) or the host of an address. `default_port`
    /// (443 for https, 80 for http) is dropped.
    ///
    /// # Errors
    /// [`InvalidHost`].
    pub fn parse(text: &str, default_port: u16) -> Result<Self, InvalidHost> {
        let (name, port) = split_port(text)?;
        Ok(Self {
            name: canonical_name(name)?,
            port: port.filter(|port| *port != default_port),
        })
    }

    /// The host of an absolute address.
    #[must_use]
    pub fn of(url: &url::Url) -> Option<Self> {
        Some(Self {
            name: canonical_name(url.host_str()?).ok()?,
            port: url.port(),
        })
    }

    /// Without the port.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port, where it is not the scheme's own.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// Loopback, or a name that browsers resolve to loopback (RFC 6761 §6.3).
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let name = self.name();
        name == "localhost"
            || name.ends_with(".localhost")
            || name
                .trim_start_matches('[')
                .trim_end_matches(']')
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)?;
        self.port
            .map_or(Ok(()), |port| write!(formatter, ":{port}"))
    }
}

impl From<Host> for String {
    fn from(host: Host) -> Self {
        host.to_string()
    }
}

fn split_port(text: &str) -> Result<(&str, Option<u16>), InvalidHost> {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (text, None),
    };
    let port = port
        .map(|digits| {
            let plain =
                digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
            digits.parse().ok().filter(|_| plain).ok_or(InvalidHost)
        })
        .transpose()?;
    Ok((name, port))
}

fn canonical_name(name: &str) -> Result<Box<str>, InvalidHost> {
    match url::Host::parse(name).map_err(|_| InvalidHost)? {
        url::Host::Domain(domain) => {
            // The URL Standard also takes `*`, quotes, `;`, `,`, `&` and names of any length. Names with
            // `_` exist, although hosts should not have them (RFC 1123 §2.1).
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            let whole = domain.len() <= 253
                && domain
                    .split('.')
                    .all(|label| (1..=63).contains(&label.len()) && label.bytes().all(plain));
            if whole && is_plain_spelling(name, &domain) {
                Ok(domain.into())
            } else {
                Err(InvalidHost)
            }
        }
        url::Host::Ipv4(address) if address.to_string() != name => Err(InvalidHost),
        address => Ok(address.to_string().into()),
    }
}

/// Whether `written` is `domain` (in A-labels) in another case, or with its labels in Unicode. What else
/// the URL Standard folds into a name (percent signs, full-width letters, ideographic dots, soft
/// hyphens) is read by others as another name, or none.
pub(super) fn is_plain_spelling(written: &str, domain: &str) -> bool {
    written.eq_ignore_ascii_case(domain)
        || !written.is_ascii() && idna::domain_to_unicode(domain).0 == written.to_ascii_lowercase()
}

/// `wiki.example.com`, `*.example.com` or `.example.com` (sub-domains at any depth, not the domain
/// itself), each with `:8080` or `:*`. No port means the scheme's own only, as in oauth2-proxy.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(into = "String")]
pub struct HostPattern {
    name: Box<str>,
    subdomains: bool,
    port: PortPattern,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum PortPattern {
    Exactly(Option<u16>),
    Any,
}

impl HostPattern {
    /// Whether `host` is one of those meant.
    #[must_use]
    pub fn matches(&self, host: &Host) -> bool {
        let port = match self.port {
            PortPattern::Any => true,
            PortPattern::Exactly(port) => port == host.port,
        };
        port && if self.subdomains {
            host.name
                .strip_suffix(&*self.name)
                .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        } else {
            host.name == self.name
        }
    }

    /// The name, without star and port.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it means what is below its name.
    #[must_use]
    pub const fn covers_subdomains(&self) -> bool {
        self.subdomains
    }

    /// The one host this pattern names, if it names one.
    #[must_use]
    pub fn exact(&self) -> Option<Host> {
        match (self.subdomains, self.port) {
            (false, PortPattern::Exactly(port)) => Some(Host {
                name: self.name.clone(),
                port,
            }),
            _ => None,
        }
    }

    /// Whether some host could match both patterns.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let ports = match (self.port, other.port) {
            (PortPattern::Exactly(left), PortPattern::Exactly(right)) => left == right,
            _ => true,
        };
        let below = |inner: &str, outer: &Self| {
            inner
                .strip_suffix(&*outer.name)
                .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        };
        ports
            && match (self.subdomains, other.subdomains) {
                (false, false) => self.name == other.name,
                (true, false) => below(&other.name, self),
                (false, true) => below(&self.name, other),
                (true, true) => {
                    self.name == other.name || below(&self.name, other) || below(&other.name, self)
                }
            }
    }
}

impl FromStr for HostPattern {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        let (text, any_port) = match text.strip_suffix(":*") {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let (name, subdomains) = match text.strip_prefix("*.").or_else(|| text.strip_prefix('.')) {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let (name, port) = split_port(name)?;
        if (any_port && port.is_some()) || name.contains('*') {
            return Err(InvalidHost);
        }
        let name = canonical_name(name)?;
        let is_address = name.starts_with('[') || name.parse::<IpAddr>().is_ok();
        if subdomains && is_address {
            return Err(InvalidHost);
        }
        Ok(Self {
            name,
            subdomains,
            port: if any_port {
                PortPattern::Any
            } else {
                PortPattern::Exactly(port.filter(|port| *port != 443))
            },
        })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let star = if self.subdomains { "*." } else { "" };
        write!(formatter, "{star}{}", self.name)?;
        match self.port {
            PortPattern::Any => formatter.write_str(":*"),
            PortPattern::Exactly(Some(port)) => write!(formatter, ":{port}"),
            PortPattern::Exactly(None) => Ok(()),
        }
    }
}

impl From<HostPattern> for String {
    fn from(pattern: HostPattern) -> Self {
        pattern.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn host(text: &str) -> Host {
        Host::parse(text, 443).expect("a host")
    }

    #[rstest]
    #[case::case("WIKI.Example.com", "wiki.example.com")]
    #[case::default_port("wiki.example.com:443", "wiki.example.com")]
    #[case::port("wiki.example.com:8443", "wiki.example.com:8443")]
    #[case::a_label("bücher.example", "xn--bcher-kva.example")]
    #[case::underscore("my_app.internal", "my_app.internal")]
    #[case::ipv4("127.0.0.1:4180", "127.0.0.1:4180")]
    #[case::ipv6("[::1]:4180", "[::1]:4180")]
    fn spellings_of_one_host_are_one(#[case] text: &str, #[case] canonical: &str) {
        assert_eq!(host(text).to_string(), canonical);
    }

    #[rstest]
    #[case::empty("")]
    #[case::user("a@b.example")]
    #[case::path("a.example/x")]
    #[case::space("a .example")]
    #[case::empty_label("a..example")]
    #[case::trailing_dot("a.example.")]
    #[case::port("a.example:70000")]
    #[case::signed_port("a.example:+80")]
    #[case::no_port("a.example:")]
    #[case::padded_port("a.example:0443")]
    #[case::port_zero("a.example:0")]
    #[case::star("*.example")]
    #[case::quote("a'b.example")]
    #[case::semicolon("a;b.example")]
    #[case::comma("a.example,b.example")]
    #[case::ampersand("a&b.example")]
    #[case::braces("${host}.example")]
    #[case::long_label(&format!("{}.example", "a".repeat(64)))]
    #[case::long_name(&format!("{}a", "a.".repeat(127)))]
    #[case::percent("a%2eexample")]
    #[case::full_width("ａ.example")]
    #[case::kelvin_sign("\u{212a}.example")]
    #[case::ideographic_dot("a。example")]
    #[case::soft_hyphen("a\u{ad}.example")]
    #[case::zero_width("a\u{200b}.example")]
    #[case::short_ipv4("127.1")]
    #[case::hexadecimal_ipv4("0x7f.0.0.1")]
    #[case::octal_ipv4("0177.0.0.1")]
    #[case::number_ipv4("2130706433")]
    #[case::ipv6_without_brackets("::1")]
    #[case::ipv6_with_zone("[fe80::1%eth0]")]
    #[case::backslash("a\\b.example")]
    #[case::two_ports("a.example:80:80")]
    fn what_is_no_host_is_refused(#[case] text: &str) {
        assert_eq!(Host::parse(text, 443), Err(InvalidHost));
    }

    #[rstest]
    #[case("example.com", "example.com", true)]
    #[case("example.com", "a.example.com", false)]
    #[case("*.example.com", "a.b.example.com", true)]
    #[case(".example.com", "a.example.com", true)]
    #[case("*.example.com", "example.com", false)]
    #[case("*.example.com", "evil-example.com", false)]
    #[case("*.example.com", "example.com.evil", false)]
    #[case("example.com", "example.com:8080", false)]
    #[case("example.com:*", "example.com:8080", true)]
    #[case("example.com:8080", "example.com:8080", true)]
    fn a_pattern_matches_whole_labels(
        #[case] pattern: &str,
        #[case] text: &str,
        #[case] expected: bool,
    ) {
        let pattern: HostPattern = pattern.parse().expect("a pattern");
        assert_eq!(pattern.matches(&host(text)), expected);
    }

    #[rstest]
    #[case::star_alone("*")]
    #[case::star_and_dot("*.")]
    #[case::star_inside("a.*.example.com")]
    #[case::star_in_label("a*.example.com")]
    #[case::two_stars("*.*.example.com")]
    #[case::two_dots("..example.com")]
    #[case::below_an_address("*.127.0.0.1")]
    #[case::below_an_ipv6_address("*.[::1]")]
    #[case::both_ports("example.com:80:*")]
    fn what_is_no_pattern_is_refused(#[case] text: &str) {
        assert_eq!(text.parse::<HostPattern>(), Err(InvalidHost));
    }

    proptest! {
        #[test]
        fn a_host_is_read_back_as_itself(text in "\\PC{0,40}") {
            if let Ok(host) = Host::parse(&text, 443) {
                prop_assert_eq!(Host::parse(&host.to_string(), 443), Ok(host));
            }
        }

        #[test]
        fn t10_a_pattern_never_matches_beside_its_name(
            left in "[a-z0-9-]{1,12}",
            right in "[a-z0-9.-]{1,12}",
        ) {
            let pattern: HostPattern = "*.example.org".parse().expect("a pattern");
            for text in [format!("{left}example.org"), format!("a.example.org{right}"), format!("{left}.{right}")] {
                if let Ok(host) = Host::parse(&text, 443) {
                    let below = host.name().ends_with(".example.org");
                    prop_assert_eq!(pattern.matches(&host), below, "{}", host);
                }
            }
        }
    }

    #[rstest]
    #[case("a.example.com", "*.example.com", true)]
    #[case("*.b.example.com", "*.example.com", true)]
    #[case("a.example.com", "b.example.com", false)]
    #[case("*.example.com", "example.com", false)]
    fn clashing_patterns_are_found(
        #[case] left: &str,
        #[case] right: &str,
        #[case] expected: bool,
    ) {
        let left: HostPattern = left.parse().expect("a pattern");
        let right: HostPattern = right.parse().expect("a pattern");
        assert_eq!(left.overlaps(&right), expected);
        assert_eq!(right.overlaps(&left), expected);
    }
}
