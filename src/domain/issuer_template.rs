//! An issuer with a place for a tenant of a cloud: `https://login.microsoftonline.com/{tenantid}/v2.0`.
//!
//! Invariant: only a GUID fills the place, and everything else is compared byte for byte. So no claim can make
//! another host, or a path of its own, into an issuer of the cloud.

use super::ids::is_guid;

/// What stands for the tenant, in any case.
const PLACE: &str = "{tenantid}";

/// A template, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IssuerTemplate<'a> {
    before: &'a str,
    after: &'a str,
}

impl<'a> IssuerTemplate<'a> {
    /// None where `text` has no place for a tenant.
    #[must_use]
    pub fn new(text: &'a str) -> Option<Self> {
        let at = text
            .as_bytes()
            .windows(PLACE.len())
            .position(|part| part.eq_ignore_ascii_case(PLACE.as_bytes()))?;
        let (before, rest) = text.split_at_checked(at)?;
        let after = rest.get(PLACE.len()..)?;
        Some(Self { before, after })
    }

    /// Whether `issuer` is this template for `tenant`, which must be a GUID.
    #[must_use]
    pub fn is_filled(&self, tenant: &str, issuer: &str) -> bool {
        self.tenant_of(issuer) == Some(tenant)
    }

    /// The tenant that `issuer` is this template for, if it is.
    #[must_use]
    pub fn tenant_of<'i>(&self, issuer: &'i str) -> Option<&'i str> {
        let filling = issuer
            .strip_prefix(self.before)
            .and_then(|rest| rest.strip_suffix(self.after));
        filling.filter(|tenant| is_guid(tenant))
    }
}

/// Whether `text` has a place for a tenant.
#[must_use]
pub fn is_template(text: &str) -> bool {
    IssuerTemplate::new(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const A: &str = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";

    #[rstest]
    #[case::filled(A, "https://i/aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee/v2", true)]
    #[case::overlap(A, "https://i/v2", false)]
    #[case::another(A, "https://i/bbbbbbbb-bbbb-4ccc-8ddd-eeeeeeeeeeee/v2", false)]
    #[case::itself("{tenantid}", "https://i/{tenantid}/v2", false)]
    #[case::no_guid("common", "https://i/common/v2", false)]
    #[case::path("a/../b", "https://i/a/../b/v2", false)]
    #[case::empty("", "https://i//v2", false)]
    #[case::longer(A, "https://i/aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee/v2/", false)]
    fn t02_only_a_guid_fills_a_template(
        #[case] tenant: &str,
        #[case] issuer: &str,
        #[case] expected: bool,
    ) {
        let template = IssuerTemplate::new("https://i/{TenantId}/v2").expect("a template");
        assert_eq!(template.is_filled(tenant, issuer), expected);
    }

    #[rstest]
    #[case::none("https://i/")]
    #[case::other_braces("https://i/{tenant}")]
    #[case::before_a_letter_of_several_bytes("https://i/{tenantiÄ}")]
    fn an_issuer_without_the_place_is_no_template(#[case] text: &str) {
        assert!(!is_template(text));
    }
}
