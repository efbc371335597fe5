//! Conditions of rules, about a caller and what they ask for.
//!
//! Invariant: what is looked at is known before anything is evaluated, so that a check makes a value of nothing
//! else, and refuses where the proxy did not tell it. What is not known of a caller is null. Deliberately absent:
//! headers and queries, which are the client's own words.

use std::collections::HashMap;
use std::sync::Arc;

use cel::Value as CelValue;
use cel::common::ast::{Expr, IdedExpr, LiteralValue, operators};
use cel::objects::{Key, Map};

use super::words::{CALLERS, NO_TRUTH};
use super::{Compiled, Wrong, compiled, failed, new_context};
use crate::config::item::Item;
use crate::domain::caller::Subject;
use crate::domain::condition::{Condition, Needs, When};
use crate::domain::email::EmailAddress;
use crate::domain::expression::ExpressionFailed;
use crate::domain::ids::{ProviderId, TrustedIssuerId};
use crate::domain::policy::{Source, Target};

/// Most bytes of lists that a condition may look at.
const MOST_LISTED: usize = 256 * 1024;

/// One about a caller and a request.
#[derive(Debug)]
struct OfCaller {
    compiled: Compiled,
    caller: Vec<(&'static str, Key)>,
    request: Vec<(&'static str, Key)>,
    needs: Needs,
}

/// Reads a condition. `None`: it is wrong, and that was told.
pub(in crate::config) fn read(item: &Item<'_>) -> Option<When> {
    let text = item.text()?;
    match condition(text) {
        Ok(condition) => {
            let place = item.position().to_string();
            Some(When::new(Arc::new(condition), place.into()))
        }
        Err(wrong) => {
            item.fault_within(wrong.at, wrong.message, wrong.help);
            None
        }
    }
}

fn condition(text: &str) -> Result<OfCaller, Wrong> {
    let compiled = compiled(text, &CALLERS)?;
    let wrong = |message: &str, help: &str| Wrong {
        at: 0..text.len(),
        message: message.to_owned(),
        help: help.to_owned(),
    };
    if gives_no_truth(compiled.program.expression(), true) {
        return Err(wrong(
            "this can be neither true nor false",
            "a condition compares: \"'staff' in caller.groups\", \"caller.client == 'shop'\"",
        ));
    }
    let members = |of: &str| -> Vec<(&'static str, Key)> {
        let named = compiled.found.members.iter();
        let named = named.filter(|(variable, _)| *variable == of);
        named
            .map(|(_, name)| (*name, Key::String(Arc::new((*name).to_owned()))))
            .collect()
    };
    let (caller, request) = (members("caller"), members("request"));
    if caller.is_empty() && request.is_empty() {
        return Err(wrong(
            "this looks at neither `caller` nor `request`: it would be the same for everybody",
            "for everybody who is signed in: signed_in = true; for nobody: deny = true",
        ));
    }
    let needs = |what| request.iter().any(|(name, _)| *name == what);
    let needs = Needs {
        path: needs("path"),
        method: needs("method"),
        host: needs("host"),
        source: needs("address"),
    };
    Ok(OfCaller {
        compiled,
        caller,
        request,
        needs,
    })
}

/// Whether no value of what it looks at makes it true or false. `outside`: no loop variable can be meant.
fn gives_no_truth(expression: &IdedExpr, outside: bool) -> bool {
    match &expression.expr {
        Expr::Literal(literal) => !matches!(literal, LiteralValue::Boolean(_)),
        Expr::List(_) | Expr::Map(_) => true,
        // No member of these is one.
        Expr::Select(select) => {
            outside
                && !select.test
                && matches!(&select.operand.expr, Expr::Ident(name) if CALLERS.members_of(name).is_some())
        }
        Expr::Call(call) if call.func_name == operators::CONDITIONAL => {
            let mut branches = call.args.iter().skip(1);
            branches.any(|it| gives_no_truth(it, outside))
        }
        Expr::Call(call)
            if [
                operators::LOGICAL_AND,
                operators::LOGICAL_OR,
                operators::LOGICAL_NOT,
            ]
            .contains(&call.func_name.as_str()) =>
        {
            call.args.iter().any(|it| gives_no_truth(it, outside))
        }
        Expr::Call(call) => NO_TRUTH.contains(&call.func_name.as_str()),
        // `filter` and `map` collect into a list.
        Expr::Comprehension(it) => matches!(it.accu_init.expr, Expr::List(_)),
        _ => false,
    }
}

impl Condition for OfCaller {
    fn holds(&self, subject: Subject<'_>, target: Target<'_>) -> Result<bool, ExpressionFailed> {
        self.check_size(subject)?;
        let mut context = new_context();
        if !self.caller.is_empty() {
            let members = self.caller.iter();
            let members = members.map(|(name, key)| (key.clone(), of_caller(name, subject)));
            context.add_variable_from_value("caller", map(members));
        }
        if !self.request.is_empty() {
            let members = self.request.iter();
            let members = members.map(|(name, key)| Ok((key.clone(), of_request(name, target)?)));
            let members: Result<Vec<_>, ExpressionFailed> = members.collect();
            context.add_variable_from_value("request", map(members?.into_iter()));
        }
        match self.compiled.run(&context)? {
            CelValue::Bool(truth) => Ok(truth),
            _ => Err(failed("it gives something that is neither true nor false")),
        }
    }

    fn needs(&self) -> Needs {
        self.needs
    }

    fn text(&self) -> &str {
        &self.compiled.source
    }
}

impl OfCaller {
    /// That it ends soon.
    fn check_size(&self, subject: Subject<'_>) -> Result<(), ExpressionFailed> {
        let lists = || {
            self.caller
                .iter()
                .filter_map(|(name, _)| list(name, subject))
        };
        let mut most = lists().map(<[_]>::len).max().unwrap_or_default();
        let listed: usize = lists().flatten().map(|entry| entry.len()).sum();
        if listed > MOST_LISTED {
            return Err(failed(&format!(
                "the caller's lists are more than {MOST_LISTED} bytes, which is too much to look at"
            )));
        }
        if self.compiled.found.splits {
            let texts = self
                .caller
                .iter()
                .filter_map(|(name, _)| text(name, subject));
            let texts = texts.chain(lists().flatten().map(|entry| &**entry));
            most = most.max(texts.map(str::len).max().unwrap_or_default());
        }
        self.compiled.check_rounds(most)
    }
}

fn map(members: impl Iterator<Item = (Key, CelValue)>) -> CelValue {
    let members: HashMap<Key, CelValue> = members.collect();
    CelValue::Map(Map {
        map: Arc::new(members),
    })
}

fn of_caller(name: &str, subject: Subject<'_>) -> CelValue {
    if name == "user" {
        return plain(&subject.user.to_string());
    }
    match list(name, subject) {
        Some(entries) => {
            CelValue::List(Arc::new(entries.iter().map(|entry| plain(entry)).collect()))
        }
        None => text(name, subject).map_or(CelValue::Null, plain),
    }
}

/// A list of the caller's.
fn list<'a>(name: &str, subject: Subject<'a>) -> Option<&'a [Box<str>]> {
    match name {
        "groups" => Some(subject.groups),
        "roles" => Some(subject.roles),
        "scopes" => Some(subject.scopes),
        "permissions" => Some(subject.permissions),
        _ => None,
    }
}

/// A text of the caller's, if it is known.
fn text<'a>(name: &str, subject: Subject<'a>) -> Option<&'a str> {
    match name {
        "scheme" => Some(subject.scheme.as_str()),
        "subject" => Some(subject.subject),
        "email" => subject.email.map(EmailAddress::as_str),
        "name" => subject.name,
        "preferred_username" => subject.preferred_username,
        "issuer" => subject.issuer.map(TrustedIssuerId::as_str),
        "client" => subject.client,
        "provider" => subject.provider.map(ProviderId::as_str),
        _ => None,
    }
}

/// Something of the request. The rules have seen that it is known; should they not have, nobody passes.
fn of_request(name: &str, target: Target<'_>) -> Result<CelValue, ExpressionFailed> {
    let unknown = || failed(&format!("the `{name}` of the request is not known"));
    let text = match name {
        "path" => target.path.map(|path| plain(path.as_str())),
        "method" => target.method.map(|method| plain(method.as_str())),
        "host" => target.host.map(|host| plain(host.name())),
        "address" => match target.source {
            Source::Address(address) => Some(plain(&address.to_string())),
            Source::Unknown | Source::NotAsked => None,
        },
        _ => None,
    };
    text.ok_or_else(unknown)
}

fn plain(text: &str) -> CelValue {
    CelValue::String(Arc::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::caller::{Caller, Scheme};
    use crate::domain::host::Host;
    use crate::domain::ids::UserId;
    use crate::domain::path::CanonicalPath;
    use crate::domain::policy::{Allow, Policy, Refusal, Requirements, Rule, Ruling};
    use http::Method;
    use rstest::rstest;

    fn names(all: &[&str]) -> Box<[Box<str>]> {
        all.iter().map(|name| (*name).into()).collect()
    }

    /// A token of the issuer `ci`, of somebody without an address.
    fn token() -> Caller {
        Caller {
            scheme: Scheme::Bearer,
            user: UserId::from_bytes([7; 16]),
            subject: "svc-1".into(),
            issuer: Some("ci".parse().expect("a name")),
            provider: None,
            client: Some("shop".into()),
            name: None,
            preferred_username: Some(String::new().into()),
            email: None,
            groups: names(&["staff", "true", "", "null"]),
            roles: names(&[]),
            scopes: names(&["orders:read"]),
            permissions: names(&["a", "b"]),
            details: None,
        }
    }

    /// What comes of `text` for `caller`, at `/a b` of an app, by POST, from an address of the documentation.
    fn ask_for(text: &str, caller: &Caller) -> Result<bool, String> {
        let (path, host) = (
            CanonicalPath::parse("/a%20b/7").expect("clear"),
            Host::parse("wiki.acme.example", 443).expect("a host"),
        );
        let target = Target {
            path: Some(&path),
            method: Some(&Method::POST),
            host: Some(&host),
            preflight: false,
            source: Source::Address("203.0.113.9".parse().expect("an address")),
        };
        let condition = condition(text).map_err(|wrong| wrong.message)?;
        let answer = condition.holds(caller.as_subject(), target);
        answer.map_err(|failed| failed.to_string())
    }

    fn ask(text: &str) -> Result<bool, String> {
        ask_for(text, &token())
    }

    #[rstest]
    #[case::group("'staff' in caller.groups", true)]
    #[case::other_group("'Staff' in caller.groups", false)]
    #[case::exists("caller.permissions.exists(p, p == 'b')", true)]
    #[case::all_of_none("caller.roles.all(r, r == 'x')", true)]
    #[case::client("caller.client == 'shop' && caller.issuer == 'ci'", true)]
    #[case::scheme("caller.scheme in ['bearer', 'api_key']", true)]
    #[case::user("caller.user == '07070707070707070707070707070707'", true)]
    #[case::null(
        "caller.email == null && caller.name == null && caller.provider == null",
        true
    )]
    #[case::guarded(
        "caller.email != null && caller.email.endsWith('@acme.example')",
        false
    )]
    #[case::guarded_otherwise("caller.email == null ? false : caller.email == 'x'", false)]
    #[case::path("request.path.startsWith('/a b/')", true)]
    #[case::path_of_ones_own("request.path == '/users/' + caller.subject", false)]
    #[case::method("request.method == 'POST'", true)]
    #[case::host("request.host == 'wiki.acme.example'", true)]
    #[case::address("request.address == '203.0.113.9'", true)]
    #[case::own_loop_variable("caller.groups.exists(caller, caller == 'staff')", true)]
    fn a_condition_is_true_or_false(#[case] text: &str, #[case] expected: bool) {
        assert_eq!(ask(text), Ok(expected));
    }

    /// What looks like something else is not that, and what cannot be judged opens nothing.
    #[rstest]
    #[case::group_named_true("caller.groups[1]", Err("neither true nor false"))]
    #[case::group_named_true_compared("caller.groups[1] == true", Ok(false))]
    #[case::group_named_null("caller.email in caller.groups", Ok(false))]
    #[case::null_is_no_text("caller.email == 'null' || caller.email == ''", Ok(false))]
    #[case::empty_is_no_null("caller.preferred_username == null", Ok(false))]
    #[case::null_in_a_text("'x'.contains(caller.name)", Err("another type"))]
    #[case::member_of_null("caller.email.endsWith('')", Err("another type"))]
    #[case::null_is_no_list("caller.email.exists(e, true)", Err("another type"))]
    #[case::text_as_truth("caller.subject || false", Err(""))]
    #[case::text_as_truth_behind("false || caller.subject", Err(""))]
    #[case::text_not("!caller.subject", Err(""))]
    #[case::text_with_a_truth("true && caller.subject", Err(""))]
    #[case::division("1 / size(caller.roles) == 0", Err("divides by zero"))]
    #[case::remainder("1 % size(caller.roles) == 0", Err("divides by zero"))]
    #[case::too_large("9223372036854775807 + size(caller.groups) > 0", Err("too large"))]
    #[case::index("caller.roles[0] == 'x'", Err("shorter"))]
    #[case::no_number("int(caller.subject) > 0", Err(""))]
    #[case::not_true("bool(caller.subject)", Err(""))]
    #[case::choice_of_kinds("caller.roles.size() > 0 ? true : dyn('true')", Err(""))]
    #[case::order_of_kinds("caller.subject > 0", Err(""))]
    #[case::a_failed_one_is_not_turned_round("!(caller.email.endsWith('x'))", Err("another type"))]
    #[case::failed_and_true("caller.email.endsWith('x') && true", Err("another type"))]
    fn a_confused_condition_opens_nothing(
        #[case] text: &str,
        #[case] expected: Result<bool, &str>,
    ) {
        match (ask(text), expected) {
            (Ok(found), expected) => assert_eq!(Ok(found), expected, "{text}"),
            (Err(failed), Err(expected)) => assert!(failed.contains(expected), "{failed}"),
            (Err(failed), Ok(_)) => panic!("{failed}"),
        }
    }

    /// The reason is for the log: nothing of the caller stands in it.
    #[test]
    fn a_reason_tells_nothing_of_the_caller() {
        for text in [
            "caller.scopes[7] == caller.subject",
            "int(caller.subject) > 0",
            "{'a': 1}[caller.subject] == 1",
            "caller.client + 1 == ''",
        ] {
            let failed = ask(text).expect_err("it fails");
            for value in ["svc-1", "shop", "orders"] {
                assert!(!failed.contains(value), "{failed}");
            }
        }
    }

    #[rstest]
    #[case::header("request.headers['x-admin'] == 'true'", 7..8, "`request` has no `headers`", "known here")]
    #[case::query("request.query == ''", 7..8, "`request` has no `query`", "")]
    #[case::claims("claims.role == 'x'", 0..6, "there is no variable `claims`", "known here")]
    #[case::misspelt("caller.group == 'x'", 6..7, "`caller` has no `group`", "did you mean `groups`?")]
    #[case::alone("caller == null", 0..6, "`caller` stands here without a member", "write `caller.scheme`")]
    #[case::in_brackets("caller['groups'] == []", 0..6, "`caller` stands here without a member", "")]
    #[case::optional("caller.?email.hasValue()", 0..6, "`caller` stands here without a member", "")]
    #[case::has("has(caller.email)", 3..4, "`caller.email` is always there", "caller.email != null")]
    #[case::regular_expression("request.path.matches('.*')", 20..21, "there is no function `matches`", "")]
    #[case::list("caller.groups", 0..13, "neither true nor false", "a condition compares")]
    #[case::text("'true'", 0..6, "neither true nor false", "")]
    #[case::number("1", 0..1, "neither true nor false", "")]
    #[case::sum("'a' + caller.name", 0..17, "neither true nor false", "")]
    #[case::filter("caller.groups.filter(g, g == 'a')", 0..33, "neither true nor false", "")]
    #[case::half("caller.scheme == 'bearer' || caller.groups", 0..42, "neither true nor false", "")]
    #[case::one_branch("caller.name == null ? true : caller.name", 0..40, "neither true nor false", "")]
    #[case::everybody("true", 0..4, "neither `caller` nor `request`", "signed_in = true")]
    #[case::everybody_else("1 == 1", 0..6, "neither `caller` nor `request`", "")]
    #[case::syntax("caller.groups ==", 16..16, "it ends too early", "docs/rules.md")]
    fn what_is_wrong_is_told_when_it_is_read(
        #[case] text: &str,
        #[case] at: std::ops::Range<usize>,
        #[case] message: &str,
        #[case] help: &str,
    ) {
        let wrong = condition(text).expect_err("wrong");
        assert!(wrong.message.contains(message), "{wrong:?}");
        assert!(wrong.help.contains(help), "{wrong:?}");
        assert_eq!(wrong.at, at, "{wrong:?}");
    }

    #[rstest]
    #[case::one_loop("caller.groups.exists(g, g == 'x')", 5000, Ok(false))]
    #[case::two_loops(
        "caller.groups.exists(g, caller.groups.exists(h, h + 'x' == g))",
        141,
        Ok(false)
    )]
    #[case::two_long_loops(
        "caller.groups.exists(g, caller.groups.exists(h, h + 'x' == g))",
        142,
        Err("too long")
    )]
    #[case::in_a_long_list("caller.groups.all(g, g in caller.groups)", 1001, Err("too long"))]
    #[case::of_a_list_not_named("'staff' in caller.roles", 50_000, Ok(false))]
    #[case::too_much("'staff' in caller.groups", 50_000, Err("more than 262144 bytes"))]
    fn t23_conditions_end_soon(
        #[case] text: &str,
        #[case] groups: usize,
        #[case] expected: Result<bool, &str>,
    ) {
        let groups = (0..groups).map(|number| format!("group-{number}").into());
        let caller = Caller {
            groups: groups.collect(),
            ..token()
        };
        match (ask_for(text, &caller), expected) {
            (Ok(found), expected) => assert_eq!(Ok(found), expected),
            (Err(failed), Err(expected)) => assert!(failed.contains(expected), "{failed}"),
            (Err(failed), Ok(_)) => panic!("{failed}"),
        }
    }

    #[test]
    fn t23_a_text_that_is_split_counts_as_a_list() {
        let caller = Caller {
            subject: "x,".repeat(200).into(),
            ..token()
        };
        let nested =
            "caller.subject.split(',').all(x, caller.subject.split(',').exists(y, x == y))";
        assert!(ask_for(nested, &caller).is_err());
    }

    fn when(text: &str) -> When {
        let condition = condition(text).expect("right");
        When::new(Arc::new(condition), "doorward.toml:1:1".into())
    }

    /// What `text` needs and nobody told refuses, whatever it would have come to.
    #[rstest]
    #[case::path("request.path != '/'", Refusal::PathUnknown)]
    #[case::method("request.method != 'GET'", Refusal::MethodUnknown)]
    #[case::address("request.address != '::1'", Refusal::SourceUnknown)]
    #[case::host("request.host != 'x'", Refusal::ConditionFailed)]
    #[case::besides_what_is_true(
        "caller.scheme == 'bearer' || request.path == ''",
        Refusal::PathUnknown
    )]
    fn t29_what_is_unknown_opens_nothing(#[case] text: &str, #[case] expected: Refusal) {
        let requirements = Requirements {
            when: Some(when(text)),
            ..Requirements::default()
        };
        let policy = Policy::new(vec![Rule {
            allow: Allow::SignedIn(Box::new(requirements)),
            ..Rule::default()
        }]);
        let asked = Target::default();
        assert_eq!(policy.needs_source(), expected == Refusal::SourceUnknown);
        let refused = match policy.ruling(asked) {
            Ruling::Refused(refusal) => Err(refusal),
            Ruling::SignedIn { requirements, .. } => {
                requirements.admit(token().as_subject(), asked)
            }
            Ruling::Public { .. } => Ok(()),
        };
        assert_eq!(refused, Err(expected));
    }

    /// Somebody who has just signed in has made no request yet: where they come from is asked when they do.
    #[test]
    fn an_address_is_judged_when_there_is_a_request() {
        let requirements = Requirements {
            when: Some(when("request.address == '::1'")),
            ..Requirements::default()
        };
        let at_entry = Target {
            source: Source::NotAsked,
            ..Target::default()
        };
        assert_eq!(requirements.admit(token().as_subject(), at_entry), Ok(()));
    }

    #[rstest]
    #[case::both("'staff' in caller.groups", &["staff"], None, Ok(()))]
    #[case::list_alone("'x' in caller.groups", &["staff"], None, Err(Refusal::Condition))]
    #[case::condition_alone("'staff' in caller.groups", &["x"], None, Err(Refusal::Group))]
    #[case::with_an_alternative("'staff' in caller.groups", &[], Some("caller.client == 'shop'"), Ok(()))]
    #[case::alternatives_do_not_replace_it("'x' in caller.groups", &[], Some("caller.client == 'shop'"), Err(Refusal::Condition))]
    #[case::no_alternative("'staff' in caller.groups", &[], Some("caller.client == 'x'"), Err(Refusal::Condition))]
    #[case::a_failed_alternative_is_told("'staff' in caller.groups", &[], Some("caller.email.endsWith('x')"), Err(Refusal::ConditionFailed))]
    #[case::failed("caller.email.endsWith('x')", &["staff"], Some("caller.client == 'shop'"), Err(Refusal::ConditionFailed))]
    fn lists_and_conditions_must_both_hold(
        #[case] text: &str,
        #[case] groups: &[&str],
        #[case] alternative: Option<&str>,
        #[case] expected: Result<(), Refusal>,
    ) {
        let of = |text: &str| Requirements {
            when: Some(when(text)),
            ..Requirements::default()
        };
        let never = || Requirements {
            roles: names(&["nobody"]).into(),
            ..Requirements::default()
        };
        let requirements = Requirements {
            groups: names(groups).into(),
            any_of: alternative.map_or(Vec::new(), |text| vec![never(), of(text)]),
            ..of(text)
        };
        let (caller, target) = (token(), Target::default());
        let admitted = requirements.admit(caller.as_subject(), target);
        match (admitted, expected) {
            // The first that does not fit is told.
            (Err(Refusal::Role), Err(Refusal::Condition)) => {}
            (admitted, expected) => assert_eq!(admitted, expected),
        }
        let failed = requirements.failed_condition(caller.as_subject(), target);
        assert_eq!(
            failed.map(|failed| failed.place),
            (expected == Err(Refusal::ConditionFailed)).then_some("doorward.toml:1:1")
        );
    }

    /// An alternative that fails does not fit; another one still may.
    #[test]
    fn a_failed_alternative_lets_nobody_in_and_keeps_nobody_out() {
        let fails = Requirements {
            when: Some(when("caller.email.endsWith('x')")),
            ..Requirements::default()
        };
        let staff = Requirements {
            groups: names(&["staff"]).into(),
            ..Requirements::default()
        };
        for any_of in [vec![fails.clone(), staff.clone()], vec![staff, fails]] {
            let requirements = Requirements {
                any_of,
                ..Requirements::default()
            };
            let admitted = requirements.admit(token().as_subject(), Target::default());
            assert_eq!(admitted, Ok(()));
        }
    }
}
