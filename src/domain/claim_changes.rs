//! What an operator changes about what a provider says of a person: other places for facts, and what becomes of
//! the names of groups and roles.
//!
//! Invariant: no change makes a person somebody else, and none makes an address count. The key of a person and
//! their e-mail address have no place here. Names are compared byte for byte, and a name that a change gives to
//! one group is never left to another one that happened to be called so.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::claims::ClaimPath;
use super::expression::Expression;

/// Everything that one provider's section changes.
#[derive(Clone, Debug, Default)]
pub struct ClaimChanges {
    /// Where the display name is.
    pub name: Option<ClaimPath>,
    /// Where the name at the provider is.
    pub preferred_username: Option<ClaimPath>,
    /// Where the address of a picture is.
    pub picture: Option<ClaimPath>,
    /// Where the language is.
    pub locale: Option<ClaimPath>,
    /// Groups.
    pub groups: Option<ListChange>,
    /// Roles.
    pub roles: Option<ListChange>,
    /// What comes last.
    pub expressions: Expressions,
}

/// Facts that expressions make. Each sees what stood before any of them.
#[derive(Clone, Debug, Default)]
pub struct Expressions {
    /// Display name.
    pub name: Option<Arc<dyn Expression>>,
    /// Name at the provider.
    pub preferred_username: Option<Arc<dyn Expression>>,
    /// Which of the addresses that count, or none.
    pub email: Option<Arc<dyn Expression>>,
    /// Groups.
    pub groups: Option<Arc<dyn Expression>>,
    /// Roles.
    pub roles: Option<Arc<dyn Expression>>,
    /// The address of a picture.
    pub picture: Option<Arc<dyn Expression>>,
    /// Language.
    pub locale: Option<Arc<dyn Expression>>,
}

/// What becomes of a list of names, in the order of these fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListChange {
    /// Other places for the list, which are joined; none: where the preset says.
    pub from: Vec<ClaimPath>,
    /// Only names that one of these fits; none: all.
    pub keep: Vec<NamePattern>,
    /// Names that one of these fits are left out.
    pub leave_out: Vec<NamePattern>,
    /// Taken off; a name that does not begin so is left out.
    pub strip_prefix: Option<Box<str>>,
    /// Letters become small ones.
    pub lower_case: bool,
    /// Other names for some.
    pub rename: BTreeMap<Box<str>, Box<str>>,
    /// Put before each.
    pub add_prefix: Option<Box<str>>,
}

impl ClaimChanges {
    /// Whether they give people `groups`, or `roles`, whatever the preset says.
    #[must_use]
    pub fn give(&self, names: &str) -> bool {
        let (list, made) = match names {
            "groups" => (&self.groups, &self.expressions.groups),
            _ => (&self.roles, &self.expressions.roles),
        };
        made.is_some() || list.as_ref().is_some_and(|it| !it.from.is_empty())
    }

    /// The paths that facts are read from in place of the preset's.
    pub fn paths(&self) -> impl Iterator<Item = &ClaimPath> {
        let lists = self.groups.iter().chain(&self.roles);
        let one = [
            &self.name,
            &self.preferred_username,
            &self.picture,
            &self.locale,
        ];
        one.into_iter()
            .flatten()
            .chain(lists.flat_map(|list| &list.from))
    }
}

impl Expressions {
    /// Whether one of them looks at claims.
    #[must_use]
    pub fn look_at_claims(&self) -> bool {
        let all = [
            &self.name,
            &self.preferred_username,
            &self.email,
            &self.groups,
            &self.roles,
            &self.picture,
            &self.locale,
        ];
        let mut all = all.into_iter().flatten();
        all.any(|expression| expression.looks_at_claims())
    }
}

impl ListChange {
    /// The names after all changes, each once, in their order.
    #[must_use]
    pub fn apply(&self, names: Vec<Box<str>>) -> Vec<Box<str>> {
        let mut changed: Vec<Box<str>> = Vec::new();
        for name in names {
            if let Some(name) = self.change(name)
                && !changed.contains(&name)
            {
                changed.push(name);
            }
        }
        changed
    }

    fn change(&self, name: Box<str>) -> Option<Box<str>> {
        let kept = self.keep.is_empty() || self.keep.iter().any(|pattern| pattern.fits(&name));
        if !kept || self.leave_out.iter().any(|pattern| pattern.fits(&name)) {
            return None;
        }
        let name = match &self.strip_prefix {
            Some(prefix) => name
                .strip_prefix(&**prefix)
                .filter(|rest| !rest.is_empty())?
                .into(),
            None => name,
        };
        let name = if self.lower_case {
            name.to_lowercase().into()
        } else {
            name
        };
        let name = match self.rename.get(&name) {
            Some(other) => other.clone(),
            // Two groups would become one.
            None if self.rename.values().any(|given| *given == name) => return None,
            None => name,
        };
        Some(match &self.add_prefix {
            Some(prefix) => format!("{prefix}{name}").into(),
            None => name,
        })
    }
}

/// A name, or with `*` in it all names that begin, end and go on so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePattern(Box<str>);

impl NamePattern {
    /// `*` stands for any text, also none.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// Whether `name` fits. What is found first is taken, so this takes one pass for each part.
    #[must_use]
    pub fn fits(&self, name: &str) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else {
            return *self.0 == *name;
        };
        let Some(mut name) = name.strip_prefix(first) else {
            return false;
        };
        let mut parts: Vec<&str> = rest.split('*').collect();
        let last = parts.pop().unwrap_or_default();
        for part in parts {
            let Some((_, after)) = name.split_once(part) else {
                return false;
            };
            name = after;
        }
        name.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case::exact("staff", "staff", true)]
    #[case::case_counts("staff", "Staff", false)]
    #[case::not_a_part("staff", "staff-2", false)]
    #[case::all("*", "anything", true)]
    #[case::prefix("app-*", "app-admins", true)]
    #[case::prefix_alone("app-*", "app-", true)]
    #[case::other_prefix("app-*", "map-admins", false)]
    #[case::suffix("*-admins", "app-admins", true)]
    #[case::both("app-*-x", "app-a-x", true)]
    #[case::ends_do_not_overlap("ab*ba", "aba", false)]
    #[case::middle("a*b*c", "a-b-b-c", true)]
    #[case::middle_in_order("a*b*c*d", "a-c-b-d", false)]
    #[case::several_stars("a**b", "ab", true)]
    #[case::no_expression("a.c", "abc", false)]
    #[case::no_question_mark("a?c", "abc", false)]
    fn a_star_stands_for_any_text(#[case] pattern: &str, #[case] name: &str, #[case] fits: bool) {
        assert_eq!(NamePattern::new(pattern).fits(name), fits);
    }

    proptest! {
        /// Against the slow way of trying every split.
        #[test]
        fn patterns_fit_what_they_say(pattern in "[ab*]{0,8}", name in "[ab]{0,8}") {
            fn fits(pattern: &[u8], name: &[u8]) -> bool {
                match pattern.split_first() {
                    None => name.is_empty(),
                    Some((b'*', rest)) => (0..=name.len()).any(|at| fits(rest, &name[at..])),
                    Some((byte, rest)) => name.split_first().is_some_and(|(first, after)| first == byte && fits(rest, after)),
                }
            }
            prop_assert_eq!(NamePattern::new(&pattern).fits(&name), fits(pattern.as_bytes(), name.as_bytes()));
        }
    }

    fn patterns(texts: &[&str]) -> Vec<NamePattern> {
        texts.iter().map(|text| NamePattern::new(text)).collect()
    }

    fn table(pairs: &[(&str, &str)]) -> BTreeMap<Box<str>, Box<str>> {
        let pairs = pairs.iter();
        pairs
            .map(|(from, to)| ((*from).into(), (*to).into()))
            .collect()
    }

    #[rstest]
    #[case::nothing(ListChange::default(), &["b", "a"], &["b", "a"])]
    #[case::once(ListChange::default(), &["a", "b", "a"], &["a", "b"])]
    #[case::keep(ListChange { keep: patterns(&["app-*", "vpn"]), ..ListChange::default() }, &["app-a", "vpn", "vpn2"], &["app-a", "vpn"])]
    #[case::leave_out(ListChange { leave_out: patterns(&["*-test"]), ..ListChange::default() }, &["a", "a-test"], &["a"])]
    #[case::left_out_although_kept(
        ListChange { keep: patterns(&["app-*"]), leave_out: patterns(&["app-x"]), ..ListChange::default() },
        &["app-x", "app-y"], &["app-y"]
    )]
    #[case::strip(ListChange { strip_prefix: Some("/".into()), ..ListChange::default() }, &["/staff", "/staff/ops"], &["staff", "staff/ops"])]
    #[case::a_name_without_the_prefix_is_no_short_form(
        ListChange { strip_prefix: Some("app-".into()), ..ListChange::default() },
        &["admins", "app-staff", "app-"], &["staff"]
    )]
    #[case::lower(ListChange { lower_case: true, ..ListChange::default() }, &["Staff", "STAFF"], &["staff"])]
    #[case::rename(ListChange { rename: table(&[("7f1c", "admins")]), ..ListChange::default() }, &["7f1c", "other"], &["admins", "other"])]
    #[case::a_given_name_is_nobody_elses(
        ListChange { rename: table(&[("7f1c", "admins")]), ..ListChange::default() },
        &["admins", "other"], &["other"]
    )]
    #[case::unless_it_is_said(
        ListChange { rename: table(&[("old", "admins"), ("admins", "admins")]), ..ListChange::default() },
        &["admins", "old"], &["admins"]
    )]
    #[case::add(ListChange { add_prefix: Some("kc:".into()), ..ListChange::default() }, &["a"], &["kc:a"])]
    #[case::in_order(
        ListChange {
            keep: patterns(&["APP-*"]),
            strip_prefix: Some("APP-".into()),
            lower_case: true,
            rename: table(&[("ops", "operators")]),
            add_prefix: Some("x:".into()),
            ..ListChange::default()
        },
        &["APP-OPS", "ops"], &["x:operators"]
    )]
    fn names_are_changed_in_order(
        #[case] change: ListChange,
        #[case] names: &[&str],
        #[case] expected: &[&str],
    ) {
        let names = names.iter().map(|name| (*name).into()).collect();
        let changed = change.apply(names);
        assert_eq!(
            changed.iter().map(|name| &**name).collect::<Vec<_>>(),
            expected
        );
    }
}
