//! Where a request may go: the rule against server-side request forgery.
//!
//! Addresses of providers come from tenants, and names resolve to whatever their owner likes. Invariant:
//! nothing is connected to that [`AddressGuard`] has not judged, as the address it really is: the name is
//! resolved first, and what is judged is what is dialled. What is deliberately absent: resolving and
//! connecting. This is the rule alone, so that its tables can be read and tested.
//!
//! The operator's `allow_networks` opens networks that are refused by default, except where no provider can
//! be: unspecified, multicast and reserved addresses, and the metadata services of clouds, which hand out
//! the machine's own credentials.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::{Host, Url};

/// The rule for one way of reaching a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressGuard {
    /// Loopback may be reached, also by plain http.
    pub development: bool,
    /// Networks opened by the operator.
    pub allow_networks: Vec<IpNet>,
}

/// Why an address may not be reached. For logs; people see one answer for all of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not https, or plain http to something else than loopback.
    #[error("only https is allowed (plain http only to loopback, with `development = true`)")]
    Scheme,
    /// `https://user:password@host`: credentials belong elsewhere, and `https://good@evil` misleads.
    #[error("the address must not contain a user name or password")]
    UserInfo,
    /// No host at all.
    #[error("the address has no host")]
    NoHost,
    /// The name of a cloud's metadata service.
    #[error("`{0}` is the name of a cloud metadata service")]
    MetadataName(Box<str>),
    /// `localhost` where loopback is refused (RFC 6761 §6.3).
    #[error(
        "`{0}` is this machine itself, which is only allowed with `development = true`, or with \
         `allow_networks` of the provider"
    )]
    Localhost(Box<str>),
    /// A metadata service's address. Nothing opens it.
    #[error("{0} is the address of a cloud metadata service")]
    MetadataAddress(IpAddr),
    /// An address that is not on the public internet.
    #[error("{address} is refused: {range}{}", if *.can_be_opened {
        " (an internal provider can be opened with its `allow_networks`)"
    } else {
        ""
    })]
    Address {
        /// What the name resolved to, or the literal.
        address: IpAddr,
        /// The range it is in, with its source.
        range: &'static str,
        /// Whether `allow_networks` can open it.
        can_be_opened: bool,
    },
    /// The name resolved to nothing.
    #[error("the name has no address")]
    NoAddress,
}

/// Whether the operator can open a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opening {
    ByDevelopment,
    ByNetwork,
    Never,
}

use Opening::{ByDevelopment, ByNetwork, Never};

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

#[expect(
    clippy::many_single_char_names,
    reason = "the eight of an address have no names"
)]
const fn v6(segments: [u16; 8], prefix: u8) -> Ipv6Net {
    let [a, b, c, d, e, f, g, h] = segments;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix)
}

/// The IANA IPv4 special-purpose registry (RFC 6890), without the anycast services that are global.
const IPV4: &[(Ipv4Net, Opening, &str)] = &[
    (v4(0, 0, 0, 0, 8), Never, "this network (RFC 1122 §3.2.1.3)"),
    (v4(10, 0, 0, 0, 8), ByNetwork, "private (RFC 1918)"),
    (
        v4(100, 64, 0, 0, 10),
        ByNetwork,
        "shared by a carrier (RFC 6598)",
    ),
    (
        v4(127, 0, 0, 0, 8),
        ByDevelopment,
        "loopback (RFC 1122 §3.2.1.3)",
    ),
    (v4(169, 254, 0, 0, 16), ByNetwork, "link-local (RFC 3927)"),
    (v4(172, 16, 0, 0, 12), ByNetwork, "private (RFC 1918)"),
    (
        v4(192, 0, 0, 0, 24),
        ByNetwork,
        "protocol assignments (RFC 6890)",
    ),
    (v4(192, 0, 2, 0, 24), ByNetwork, "documentation (RFC 5737)"),
    (v4(192, 88, 99, 0, 24), ByNetwork, "6to4 relay (RFC 7526)"),
    (v4(192, 168, 0, 0, 16), ByNetwork, "private (RFC 1918)"),
    (v4(198, 18, 0, 0, 15), ByNetwork, "benchmarking (RFC 2544)"),
    (
        v4(198, 51, 100, 0, 24),
        ByNetwork,
        "documentation (RFC 5737)",
    ),
    (
        v4(203, 0, 113, 0, 24),
        ByNetwork,
        "documentation (RFC 5737)",
    ),
    (v4(224, 0, 0, 0, 4), Never, "multicast (RFC 5771)"),
    (v4(255, 255, 255, 255, 32), Never, "broadcast (RFC 919)"),
    (v4(240, 0, 0, 0, 4), Never, "reserved (RFC 1112 §4)"),
];

/// The IANA IPv6 special-purpose registry (RFC 6890). Transition mechanisms that nobody should use any more
/// are refused whole, whatever IPv4 address they carry; those in use are judged by what they carry.
const IPV6: &[(Ipv6Net, Opening, &str)] = &[
    (
        v6([0, 0, 0, 0, 0, 0, 0, 0], 128),
        Never,
        "unspecified (RFC 4291 §2.5.2)",
    ),
    (
        v6([0, 0, 0, 0, 0, 0, 0, 1], 128),
        ByDevelopment,
        "loopback (RFC 4291 §2.5.3)",
    ),
    (
        v6([0, 0, 0, 0, 0, 0, 0, 0], 96),
        Never,
        "IPv4-compatible (RFC 4291 §2.5.5.1)",
    ),
    (
        v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48),
        ByNetwork,
        "local translation (RFC 8215)",
    ),
    (
        v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64),
        Never,
        "discard-only (RFC 6666)",
    ),
    (
        v6([0x100, 0, 0, 1, 0, 0, 0, 0], 64),
        Never,
        "dummy prefix (RFC 9780)",
    ),
    (
        v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32),
        ByNetwork,
        "Teredo (RFC 4380)",
    ),
    (
        v6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48),
        ByNetwork,
        "benchmarking (RFC 5180)",
    ),
    (
        v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
        ByNetwork,
        "protocol assignments (RFC 2928)",
    ),
    (
        v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
        ByNetwork,
        "documentation (RFC 3849)",
    ),
    (
        v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16),
        ByNetwork,
        "6to4 (RFC 3056, RFC 7526)",
    ),
    (
        v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
        ByNetwork,
        "documentation (RFC 9637)",
    ),
    (
        v6([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16),
        ByNetwork,
        "segment routing (RFC 9602)",
    ),
    (
        v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7),
        ByNetwork,
        "unique local (RFC 4193)",
    ),
    (
        v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
        ByNetwork,
        "link-local (RFC 4291 §2.5.6)",
    ),
    (
        v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10),
        ByNetwork,
        "site-local (RFC 3879)",
    ),
    (
        v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8),
        Never,
        "multicast (RFC 4291 §2.7)",
    ),
];

/// All that is given out as global unicast (RFC 4291 §2.4, IANA IPv6 address space).
const IPV6_GLOBAL_UNICAST: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// The well-known prefix of DNS64 and NAT64 (RFC 6052 §2.1), which networks without IPv4 need.
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);

/// Metadata services, as their vendors document them. One of them (Azure's) is in a public range.
const METADATA_IPV4: &[Ipv4Addr] = &[
    Ipv4Addr::new(169, 254, 169, 254), // EC2, Google, Azure, DigitalOcean, OpenStack, Oracle
    Ipv4Addr::new(169, 254, 170, 2),   // ECS task credentials
    Ipv4Addr::new(169, 254, 170, 23),  // EKS pod identity
    Ipv4Addr::new(169, 254, 42, 42),   // Scaleway
    Ipv4Addr::new(169, 254, 0, 23),    // Tencent
    Ipv4Addr::new(100, 100, 100, 200), // Alibaba
    Ipv4Addr::new(168, 63, 129, 16),   // Azure wire server
    Ipv4Addr::new(192, 0, 0, 192),     // Oracle Classic
];

const METADATA_IPV6: &[Ipv6Addr] = &[
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), // EC2
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),  // EKS pod identity
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),  // Google
    Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),   // Scaleway
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe), // OpenStack
];

/// Their names. Resolved they are caught by address; behind a proxy the name is all there is to see.
const METADATA_NAMES: &[&str] = &[
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "metadata.azure.internal",
    "metadata.tencentyun.com",
    "metadata.oraclecloud.com",
    "instance-data",
    "instance-data.ec2.internal",
];

impl AddressGuard {
    /// The rule for apps that requests are forwarded to: they are on loopback and in private networks, by the
    /// operator's own choice. What can be no app stays refused.
    #[must_use]
    pub fn for_apps() -> Self {
        Self {
            development: true,
            allow_networks: vec![v4(0, 0, 0, 0, 0).into(), v6([0; 8], 0).into()],
        }
    }

    /// Judges the host of an address, a name or a literal, as far as that can be done before it is resolved.
    ///
    /// # Errors
    /// The first reason that applies.
    pub fn check_host(&self, host: &str) -> Result<(), Refusal> {
        let literal = host.trim_start_matches('[').trim_end_matches(']');
        match literal.parse::<IpAddr>() {
            Ok(address) => self.check(address),
            Err(_) => self.check_name(host),
        }
    }

    /// Judges what can be judged before the name is resolved: scheme, user info, literals, known names.
    /// Behind a proxy this is all there is, because the proxy resolves.
    ///
    /// # Errors
    /// The first reason that applies.
    pub fn check_url(&self, url: &Url) -> Result<(), Refusal> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::UserInfo);
        }
        let host = url.host().ok_or(Refusal::NoHost)?;
        match url.scheme() {
            "https" => {}
            "http" if self.development && is_loopback(&host) => {}
            _ => return Err(Refusal::Scheme),
        }
        match host {
            Host::Ipv4(address) => self.check(address.into()),
            Host::Ipv6(address) => self.check(address.into()),
            Host::Domain(name) => self.check_name(name),
        }
    }

    /// Judges a name by itself.
    fn check_name(&self, name: &str) -> Result<(), Refusal> {
        let name = without_root(name);
        if name.is_empty() {
            return Err(Refusal::NoHost);
        }
        if METADATA_NAMES
            .iter()
            .any(|metadata| metadata.eq_ignore_ascii_case(name))
        {
            return Err(Refusal::MetadataName(name.into()));
        }
        if is_localhost(name) && self.localhost().is_empty() {
            return Err(Refusal::Localhost(name.into()));
        }
        Ok(())
    }

    /// The addresses of `localhost` and `*.localhost` that may be reached. No resolver is asked for these
    /// names (RFC 6761 §6.3).
    #[must_use]
    pub fn localhost(&self) -> Vec<IpAddr> {
        [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
            .into_iter()
            .filter(|address| self.check(*address).is_ok())
            .collect()
    }

    /// Judges all addresses that a name resolved to. One that is refused refuses the name: an honest name
    /// has no reason to point inside and outside, a rebinding one has.
    ///
    /// # Errors
    /// The reason for the first address that is refused, or [`Refusal::NoAddress`].
    pub fn check_all(
        &self,
        addresses: impl IntoIterator<Item = IpAddr>,
    ) -> Result<Vec<IpAddr>, Refusal> {
        let addresses = addresses
            .into_iter()
            .map(|address| self.check(address).map(|()| address))
            .collect::<Result<Vec<_>, _>>()?;
        if addresses.is_empty() {
            return Err(Refusal::NoAddress);
        }
        Ok(addresses)
    }

    /// Judges one address.
    ///
    /// # Errors
    /// Why it may not be reached.
    pub fn check(&self, address: IpAddr) -> Result<(), Refusal> {
        match address {
            IpAddr::V4(address) => self.check_ipv4(address),
            IpAddr::V6(address) => match address.to_ipv4_mapped() {
                // RFC 4291 §2.5.5.2: another spelling of the IPv4 address, dialled as such.
                Some(mapped) => self.check_ipv4(mapped),
                None => self.check_ipv6(address),
            },
        }
    }

    fn check_ipv4(&self, address: Ipv4Addr) -> Result<(), Refusal> {
        if METADATA_IPV4.contains(&address) {
            return Err(Refusal::MetadataAddress(address.into()));
        }
        match IPV4.iter().find(|(range, ..)| range.contains(&address)) {
            Some((_, opening, range)) => self.unless_opened(address.into(), *opening, range),
            None => Ok(()),
        }
    }

    fn check_ipv6(&self, address: Ipv6Addr) -> Result<(), Refusal> {
        let carried = carried_ipv4(address);
        if METADATA_IPV6.contains(&address)
            || carried.iter().any(|ipv4| METADATA_IPV4.contains(ipv4))
        {
            return Err(Refusal::MetadataAddress(address.into()));
        }
        if let Some((_, opening, range)) = IPV6.iter().find(|(range, ..)| range.contains(&address))
        {
            return self.unless_opened(address.into(), *opening, range);
        }
        if !IPV6_GLOBAL_UNICAST.contains(&address) && !NAT64.contains(&address) {
            return self.unless_opened(
                address.into(),
                ByNetwork,
                "not global unicast (RFC 4291 §2.4)",
            );
        }
        // What a gateway would make of it. Development and `allow_networks` speak of addresses as dialled
        // from here, not from there.
        let strict = Self::default();
        if carried
            .into_iter()
            .any(|ipv4| strict.check_ipv4(ipv4).is_err())
        {
            return self.unless_opened(
                address.into(),
                ByNetwork,
                "it carries an IPv4 address that is refused (RFC 6052 §3.1, RFC 5214 §6.1)",
            );
        }
        Ok(())
    }

    fn unless_opened(
        &self,
        address: IpAddr,
        opening: Opening,
        range: &'static str,
    ) -> Result<(), Refusal> {
        let opened = match opening {
            Never => false,
            ByNetwork => self.lists(address),
            ByDevelopment => self.development || self.lists(address),
        };
        if opened {
            return Ok(());
        }
        Err(Refusal::Address {
            address,
            range,
            can_be_opened: opening != Never,
        })
    }

    fn lists(&self, address: IpAddr) -> bool {
        self.allow_networks
            .iter()
            .any(|network| network.contains(&address))
    }
}

/// Whether `name` is `localhost` or below it, with or without the root's dot.
pub(super) fn is_localhost(name: &str) -> bool {
    without_root(name)
        .rsplit('.')
        .next()
        .is_some_and(|last| last.eq_ignore_ascii_case("localhost"))
}

fn without_root(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
        Host::Domain(name) => is_localhost(name),
    }
}

/// IPv4 addresses that a tunnel or translator would take out of an IPv6 address.
#[expect(
    clippy::many_single_char_names,
    reason = "the eight of an address have no names"
)]
fn carried_ipv4(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let ipv4 = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match (a, b) {
        // IPv4-compatible, RFC 4291 §2.5.5.1
        (0, 0) if [c, d, e, f] == [0; 4] => vec![ipv4(g, h)],
        // NAT64, RFC 6052 §2.2, and its local form with the same layout, RFC 8215
        (0x64, 0xff9b) => vec![ipv4(g, h)],
        // Teredo, RFC 4380 §4: server, and client with its bits turned over
        (0x2001, 0) => vec![ipv4(c, d), ipv4(!g, !h)],
        // 6to4, RFC 3056 §2
        (0x2002, _) => vec![ipv4(b, c)],
        // ISATAP, RFC 5214 §6.1: under any prefix
        _ if (e & !0x0200, f) == (0, 0x5efe) => vec![ipv4(g, h)],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn url(text: &str) -> Url {
        Url::parse(text).expect("a URL")
    }

    fn development() -> AddressGuard {
        AddressGuard {
            development: true,
            ..AddressGuard::default()
        }
    }

    fn opened(networks: &[&str]) -> AddressGuard {
        AddressGuard {
            development: false,
            allow_networks: networks
                .iter()
                .map(|network| network.parse().expect("a network"))
                .collect(),
        }
    }

    #[rstest]
    #[case::a_public_one("8.8.8.8")]
    #[case::before_private("9.255.255.255")]
    #[case::after_private("11.0.0.0")]
    #[case::before_carrier("100.63.255.255")]
    #[case::after_carrier("100.128.0.0")]
    #[case::before_loopback("126.255.255.255")]
    #[case::after_loopback("128.0.0.0")]
    #[case::before_link_local("169.253.255.255")]
    #[case::after_link_local("169.255.0.0")]
    #[case::before_private_12("172.15.255.255")]
    #[case::after_private_12("172.32.0.0")]
    #[case::before_private_16("192.167.255.255")]
    #[case::after_private_16("192.169.0.0")]
    #[case::after_benchmarking("198.20.0.0")]
    #[case::before_multicast("223.255.255.255")]
    #[case::beside_azure("168.63.129.17")]
    #[case::ipv6("2606:4700::1111")]
    #[case::ipv6_after_documentation("2001:db9::1")]
    #[case::ipv6_after_assignments("2001:200::1")]
    #[case::ipv6_last_global("3ffe::1")]
    #[case::mapped_public("::ffff:8.8.8.8")]
    #[case::nat64_of_a_public_one("64:ff9b::8.8.8.8")]
    #[case::isatap_of_a_public_one("2606:4700::5efe:808:808")]
    fn t03_public_addresses_pass(#[case] text: &str) {
        assert_eq!(AddressGuard::default().check(address(text)), Ok(()));
    }

    #[rstest]
    #[case("0.0.0.0", "this network")]
    #[case("0.1.2.3", "this network")]
    #[case("10.0.0.0", "private")]
    #[case("10.255.255.255", "private")]
    #[case("100.64.0.0", "shared")]
    #[case("100.127.255.255", "shared")]
    #[case("127.0.0.1", "loopback")]
    #[case("127.255.255.254", "loopback")]
    #[case("169.254.0.1", "link-local")]
    #[case("169.254.169.253", "link-local")]
    #[case("172.16.0.1", "private")]
    #[case("172.31.255.255", "private")]
    #[case("192.0.0.1", "protocol assignments")]
    #[case("192.0.2.1", "documentation")]
    #[case("192.88.99.1", "6to4 relay")]
    #[case("192.168.0.1", "private")]
    #[case("192.168.255.255", "private")]
    #[case("198.18.0.1", "benchmarking")]
    #[case("198.19.255.255", "benchmarking")]
    #[case("198.51.100.7", "documentation")]
    #[case("203.0.113.7", "documentation")]
    #[case("224.0.0.1", "multicast")]
    #[case("239.255.255.255", "multicast")]
    #[case("240.0.0.1", "reserved")]
    #[case("255.255.255.254", "reserved")]
    #[case("255.255.255.255", "broadcast")]
    #[case("::", "unspecified")]
    #[case("::1", "loopback")]
    #[case("::2", "IPv4-compatible")]
    #[case("::8.8.8.8", "IPv4-compatible")]
    #[case("::127.0.0.1", "IPv4-compatible")]
    #[case("::ffff:127.0.0.1", "loopback")]
    #[case("::ffff:7f00:1", "loopback")]
    #[case("::ffff:10.1.2.3", "private")]
    #[case("::ffff:0:127.0.0.1", "not global unicast")]
    #[case("64:ff9b::127.0.0.1", "carries")]
    #[case("64:ff9b::10.0.0.1", "carries")]
    #[case("64:ff9b:1::1", "local translation")]
    #[case("100::1", "discard")]
    #[case("100:0:0:1::1", "dummy")]
    #[case("2001::1", "Teredo")]
    #[case("2001:0:808:808:0:0:f7f7:f7f7", "Teredo")]
    #[case("2001:2::1", "benchmarking")]
    #[case("2001:10::1", "protocol assignments")]
    #[case("2001:20::1", "protocol assignments")]
    #[case("2001:db8::1", "documentation")]
    #[case("2002:7f00:1::1", "6to4")]
    #[case("2002:808:808::1", "6to4")]
    #[case("3fff::1", "documentation")]
    #[case("4000::1", "not global unicast")]
    #[case("5f00::1", "segment routing")]
    #[case("fc00::1", "unique local")]
    #[case("fdff:ffff::1", "unique local")]
    #[case("fe80::1", "link-local")]
    #[case("febf::1", "link-local")]
    #[case("fec0::1", "site-local")]
    #[case("ff02::1", "multicast")]
    #[case("2606:4700::5efe:7f00:1", "carries")]
    #[case("2606:4700::200:5efe:a00:1", "carries")]
    fn t03_special_addresses_are_refused(#[case] text: &str, #[case] expected: &str) {
        let refused = AddressGuard::default().check(address(text));
        assert!(
            matches!(&refused, Err(Refusal::Address { range, .. }) if range.contains(expected)),
            "{text}: {refused:?}"
        );
    }

    #[rstest]
    #[case("169.254.169.254")]
    #[case("169.254.170.2")]
    #[case("169.254.170.23")]
    #[case("100.100.100.200")]
    #[case("168.63.129.16")]
    #[case("192.0.0.192")]
    #[case("fd00:ec2::254")]
    #[case("fd20:ce::254")]
    #[case("fe80::a9fe:a9fe")]
    #[case::mapped("::ffff:169.254.169.254")]
    #[case::compatible("::169.254.169.254")]
    #[case::nat64("64:ff9b::169.254.169.254")]
    #[case::local_nat64("64:ff9b:1::169.254.169.254")]
    #[case::six_to_four("2002:a9fe:a9fe::1")]
    #[case::teredo_client("2001:0:808:808::5601:5601")]
    #[case::teredo_server("2001:0:a9fe:a9fe::1")]
    #[case::isatap("2606:4700::5efe:a9fe:a9fe")]
    fn t03_nothing_opens_a_metadata_address(#[case] text: &str) {
        let guard = AddressGuard {
            development: true,
            ..opened(&["0.0.0.0/0", "::/0"])
        };
        let refused = guard.check(address(text));
        assert!(
            matches!(refused, Err(Refusal::MetadataAddress(_))),
            "{refused:?}"
        );
    }

    #[rstest]
    #[case("0.0.0.0")]
    #[case("224.0.0.1")]
    #[case("255.255.255.255")]
    #[case("240.0.0.1")]
    #[case("::")]
    #[case("::127.0.0.1")]
    #[case("ff02::1")]
    fn t03_nothing_opens_what_is_no_host(#[case] text: &str) {
        let guard = AddressGuard {
            development: true,
            ..opened(&["0.0.0.0/0", "::/0"])
        };
        assert!(guard.check(address(text)).is_err());
    }

    #[rstest]
    #[case(&["10.1.0.0/16"], "10.1.2.3", true)]
    #[case(&["10.1.0.0/16"], "::ffff:10.1.2.3", true)]
    #[case(&["10.1.0.0/16"], "10.2.0.1", false)]
    #[case(&["10.1.0.0/16"], "64:ff9b::10.1.2.3", false)]
    #[case(&["10.1.0.0/16"], "2002:a01:203::1", false)]
    #[case(&["10.1.0.0/16"], "127.0.0.1", false)]
    #[case(&["fd12::/16"], "fd12::1", true)]
    #[case(&["fd12::/16"], "fd13::1", false)]
    #[case(&["127.0.0.0/8"], "127.0.0.1", true)]
    #[case(&["127.0.0.0/8"], "::1", false)]
    #[case(&["192.168.1.5/32", "100.64.0.0/10"], "100.64.9.9", true)]
    #[case(&["8.8.8.0/24"], "1.1.1.1", true)]
    fn t03_listed_networks_are_opened_and_no_others(
        #[case] networks: &[&str],
        #[case] text: &str,
        #[case] passes: bool,
    ) {
        assert_eq!(opened(networks).check(address(text)).is_ok(), passes);
    }

    #[rstest]
    #[case("127.0.0.1", true)]
    #[case("::1", true)]
    #[case("::ffff:127.0.0.1", true)]
    #[case("10.0.0.1", false)]
    #[case("169.254.169.254", false)]
    #[case("64:ff9b::127.0.0.1", false)]
    fn t03_development_opens_loopback_only(#[case] text: &str, #[case] passes: bool) {
        assert_eq!(development().check(address(text)).is_ok(), passes);
    }

    #[rstest]
    #[case("https://idp.example.com/keys")]
    #[case("https://idp.example.com:8443/")]
    #[case("https://8.8.8.8/")]
    #[case("https://[2606:4700::1111]/")]
    #[case("https://notlocalhost/")]
    #[case("https://localhost.example.com/")]
    fn t03_ordinary_urls_pass(#[case] text: &str) {
        assert_eq!(AddressGuard::default().check_url(&url(text)), Ok(()));
    }

    #[rstest]
    #[case("http://idp.example.com/", Refusal::Scheme)]
    #[case("http://127.0.0.1/", Refusal::Scheme)]
    #[case("http://localhost/", Refusal::Scheme)]
    #[case("ftp://idp.example.com/", Refusal::Scheme)]
    #[case("ws://idp.example.com/", Refusal::Scheme)]
    #[case("file:///etc/passwd", Refusal::NoHost)]
    #[case("data:text/plain,x", Refusal::NoHost)]
    #[case("gopher://127.0.0.1:70/x", Refusal::Scheme)]
    #[case("https://user@idp.example.com/", Refusal::UserInfo)]
    #[case("https://user:secret@idp.example.com/", Refusal::UserInfo)]
    #[case("https://:secret@idp.example.com/", Refusal::UserInfo)]
    #[case("https://idp.example.com@evil.example/", Refusal::UserInfo)]
    #[case("https://localhost/", Refusal::Localhost("localhost".into()))]
    #[case("https://LOCALHOST./", Refusal::Localhost("localhost".into()))]
    #[case("https://a.localhost/", Refusal::Localhost("a.localhost".into()))]
    #[case("https://metadata.google.internal/", Refusal::MetadataName("metadata.google.internal".into()))]
    #[case("https://metadata.google.internal./", Refusal::MetadataName("metadata.google.internal".into()))]
    #[case("https://METADATA/", Refusal::MetadataName("metadata".into()))]
    fn t03_urls_are_refused_before_anything_is_resolved(
        #[case] text: &str,
        #[case] reason: Refusal,
    ) {
        assert_eq!(AddressGuard::default().check_url(&url(text)), Err(reason));
    }

    #[rstest]
    #[case::hexadecimal_short("https://0x7f.1/")]
    #[case::one_number("https://2130706433/")]
    #[case::one_hexadecimal("https://0x7f000001/")]
    #[case::octal("https://0177.0.0.1/")]
    #[case::short("https://127.1/")]
    #[case::root_dot("https://127.0.0.1./")]
    #[case::full_width("https://１２７.0.0.1/")]
    #[case::ideographic_dots("https://127。0。0。1/")]
    #[case::percent_encoded("https://%31%32%37.0.0.1/")]
    #[case::circled("https://①②⑦.0.0.1/")]
    #[case::mapped("https://[::ffff:127.0.0.1]/")]
    #[case::mapped_hexadecimal("https://[::ffff:7f00:1]/")]
    #[case::mapped_long("https://[0:0:0:0:0:ffff:127.0.0.1]/")]
    #[case::back_slashes("https:\\\\127.0.0.1\\")]
    #[case::tabs_within("https://127.0\t.0.1/")]
    fn t03_odd_spellings_of_loopback_are_refused(#[case] text: &str) {
        let refused = AddressGuard::default().check_url(&url(text));
        assert!(
            matches!(&refused, Err(Refusal::Address { range, .. }) if range.contains("loopback")),
            "{refused:?}"
        );
    }

    #[rstest]
    #[case("http://127.0.0.1:8080/", true)]
    #[case("http://[::1]:8080/", true)]
    #[case("http://localhost:8080/", true)]
    #[case("http://acme.localhost:8080/", true)]
    #[case("https://localhost/", true)]
    #[case("http://idp.example.com/", false)]
    #[case("http://localhost.example.com/", false)]
    #[case("http://10.0.0.1/", false)]
    #[case("http://8.8.8.8/", false)]
    #[case("https://10.0.0.1/", false)]
    #[case("http://169.254.169.254/", false)]
    #[case("http://user@localhost/", false)]
    fn t03_plain_http_is_for_loopback_in_development(#[case] text: &str, #[case] passes: bool) {
        assert_eq!(development().check_url(&url(text)).is_ok(), passes);
    }

    #[test]
    fn t03_one_refused_address_refuses_the_name() {
        let guard = AddressGuard::default();
        let mixed = ["8.8.8.8", "10.0.0.1"].map(address);
        assert!(matches!(
            guard.check_all(mixed),
            Err(Refusal::Address { .. })
        ));
        assert_eq!(guard.check_all([]), Err(Refusal::NoAddress));
        assert_eq!(
            guard.check_all([address("8.8.8.8")]),
            Ok(vec![address("8.8.8.8")])
        );
    }

    #[test]
    fn a_refusal_tells_the_operator_what_to_do() {
        let refused = AddressGuard::default()
            .check(address("10.0.0.1"))
            .expect_err("refused");
        insta::assert_snapshot!(refused, @"10.0.0.1 is refused: private (RFC 1918) (an internal provider can be opened with its `allow_networks`)");
    }
}
