//! CEL (the Common Expression Language), for what settings cannot say.
//!
//! An expression is compiled once, when the file is read, and what is wrong with it is told at its place in the
//! file: syntax, variables and functions that do not exist, members that an identity does not have. Invariant:
//! evaluating ends soon, whatever a provider sends. There are no regular expressions and no loops but those over
//! lists; how deep an expression and its loops may nest is bounded when it is read, how long the lists are that
//! nested loops go over when it is evaluated. Deliberately absent: time, randomness.
//!
//! Two vocabularies: what providers say of people, here, and callers with their requests, in `conditions`.

mod conditions;
mod values;
mod words;
mod wrong;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, LazyLock};

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, SelectExpr, operators};
use cel::{Context, Env, ExecutionError, Program, Value as CelValue};
use serde_json::Value;

use super::diagnostics::{quoted, suggestion};
use super::item::Item;
use crate::domain::expression::{Expression, ExpressionFailed, Known};
pub(super) use conditions::read as read_condition;
use values::{from_cel, longest, to_cel};
use words::{CLAIMS, FUNCTIONS, NAMES, Vocabulary, instead_of};
use wrong::{Wrong, boundary, byte_at, syntax};

/// Longest expression, in characters.
const LONGEST: usize = 1000;

/// How deep an expression may nest.
const DEEPEST: usize = 24;

/// How many loops may stand in each other.
const MOST_LOOPS: u32 = 2;

/// How often the innermost loop may run.
const MOST_ROUNDS: u64 = 20_000;

/// How many entries may be compared by what looks through lists inside loops: `in`, `==`, `!=`, `+`.
const MOST_COMPARED: u64 = 1_000_000;

/// Operators that look through a whole list, or copy it.
const THROUGH_LISTS: [&str; 4] = [
    operators::IN,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::ADD,
];

/// Most claims that an expression may look at, in bytes of JSON.
const MOST_CLAIMS: usize = 32 * 1024;

/// The parser calls itself about ten times for each bracket, before it counts them. What is not used is not
/// taken.
const STACK: usize = 64 * 1024 * 1024;

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut environment = Env::stdlib();
    // The only reason it could fail is that it is there already.
    let _ = environment.add_extension(cel::extensions::strings);
    Arc::new(environment)
});

/// A compiled expression.
struct Compiled {
    source: Box<str>,
    program: Program,
    found: Checked,
}

impl fmt::Debug for Compiled {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Expression")
            .field(&self.source)
            .finish()
    }
}

/// One about what a provider says.
#[derive(Debug)]
struct OfClaims(Compiled);

/// Reads an expression. `None`: it is wrong, and that was told.
pub(super) fn read(item: &Item<'_>) -> Option<Arc<dyn Expression>> {
    let text = item.text()?;
    match compiled(text, &CLAIMS) {
        Ok(compiled) => Some(Arc::new(OfClaims(compiled))),
        Err(wrong) => {
            item.fault_within(wrong.at, wrong.message, wrong.help);
            None
        }
    }
}

/// Compiles `text` on a stack of its own.
fn compiled(text: &str, vocabulary: &'static Vocabulary) -> Result<Compiled, Wrong> {
    let nowhere = |message: &str, help: &str| Wrong {
        at: 0..text.len(),
        message: message.to_owned(),
        help: help.to_owned(),
    };
    if text.chars().count() > LONGEST {
        return Err(nowhere(
            &format!("the expression has more than {LONGEST} characters"),
            "say what can be said in settings there, and the rest here",
        ));
    }
    let source = text.to_owned();
    let thread = std::thread::Builder::new().stack_size(STACK);
    let program = thread
        .spawn(move || program(&source, vocabulary))
        .and_then(|thread| thread.join().map_err(|_| std::io::Error::other("it ended")))
        .map_err(|_| {
            nowhere(
                "the expression cannot be compiled",
                "write it in another way",
            )
        })?;
    let (program, found) = program?;
    Ok(Compiled {
        source: text.into(),
        program,
        found,
    })
}

fn program(source: &str, vocabulary: &'static Vocabulary) -> Result<(Program, Checked), Wrong> {
    let program = ENVIRONMENT.compile(source).map_err(|errors| {
        let mut errors = errors.errors;
        errors.sort_by_key(|error| error.pos);
        let told = errors.iter().find(|it| it.msg.starts_with("Syntax error"));
        let (at, message) = told.or(errors.first()).map_or((0, ""), |error| {
            (byte_at(source, error.pos), error.msg.as_str())
        });
        Wrong {
            at: at..at
                + source
                    .get(at..)
                    .and_then(|it| it.chars().next())
                    .map_or(0, char::len_utf8),
            message: syntax(message),
            help: format!("see {} for what can be written", vocabulary.page),
        }
    })?;
    let mut checked = Checked::new(vocabulary);
    checked.walk(program.expression(), &program, &mut Vec::new(), (1, 0))?;
    Ok((program, checked))
}

/// What was found in an expression.
#[derive(Debug)]
struct Checked {
    vocabulary: &'static Vocabulary,
    loops: u32,
    /// The same, where each look through a list inside a loop is one more.
    scans: u32,
    splits: bool,
    /// Variables that it names.
    variables: BTreeSet<&'static str>,
    /// Members that it names, where the vocabulary knows them.
    members: BTreeSet<(&'static str, &'static str)>,
}

impl Checked {
    const fn new(vocabulary: &'static Vocabulary) -> Self {
        Self {
            vocabulary,
            loops: 0,
            scans: 0,
            splits: false,
            variables: BTreeSet::new(),
            members: BTreeSet::new(),
        }
    }

    fn walk<'e>(
        &mut self,
        expression: &'e IdedExpr,
        program: &Program,
        scope: &mut Vec<&'e str>,
        (depth, loops): (usize, u32),
    ) -> Result<(), Wrong> {
        let wrong = |message: String, help: String| {
            let (start, stop) = program
                .source_info()
                .offset_for(expression.id)
                .unwrap_or_default();
            let source = &program.source_info().source;
            let place =
                |source: &str, at: u32| boundary(source, usize::try_from(at).unwrap_or(usize::MAX));
            Err(Wrong {
                at: place(source, start)..place(source, stop + 1),
                message,
                help,
            })
        };
        if depth > DEEPEST {
            return wrong(
                format!("the expression nests deeper than {DEEPEST} levels"),
                "make it shorter: lists are looked through with `in` and `exists`".into(),
            );
        }
        if loops > MOST_LOOPS {
            return wrong(
                format!("more than {MOST_LOOPS} loops stand in each other"),
                "a loop is `all`, `exists`, `exists_one`, `filter` or `map`".into(),
            );
        }
        self.loops = self.loops.max(loops);
        let below = (depth + 1, loops);
        match &expression.expr {
            Expr::Unspecified | Expr::Literal(_) => Ok(()),
            Expr::Ident(name) if scope.contains(&name.as_str()) => Ok(()),
            Expr::Ident(name) => self
                .name_variable(name)
                .or_else(|(message, help)| wrong(message, help)),
            Expr::Select(select) => match &select.operand.expr {
                Expr::Ident(name)
                    if !scope.contains(&name.as_str())
                        && self.vocabulary.members_of(name).is_some() =>
                {
                    self.name_member(name, select)
                        .or_else(|(message, help)| wrong(message, help))
                }
                _ => self.walk(&select.operand, program, scope, below),
            },
            Expr::Call(call) => {
                let name = call.func_name.as_str();
                // `_+_`, `@in`: nobody can write a call of that name.
                let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
                let operator = !name.chars().all(is_word);
                if !operator && !FUNCTIONS.contains(&name) {
                    return wrong(
                        format!("there is no function {}", quoted(name)),
                        instead_of(name),
                    );
                }
                self.note_call(call, scope, loops);
                let mut all = call.target.iter().map(|it| &**it).chain(&call.args);
                all.try_for_each(|it| self.walk(it, program, scope, below))
            }
            Expr::List(list) => {
                let mut all = list.elements.iter();
                all.try_for_each(|it| self.walk(it, program, scope, below))
            }
            Expr::Map(map) => {
                self.entries(map.entries.iter().map(|it| &it.expr), program, scope, below)
            }
            Expr::Struct(_) => wrong(
                "there are no types of one's own here".into(),
                "write a map".into(),
            ),
            Expr::Comprehension(it) => {
                self.walk(&it.iter_range, program, scope, below)?;
                self.walk(&it.accu_init, program, scope, below)?;
                let outer = scope.len();
                scope.push(&it.iter_var);
                scope.extend(it.iter_var2.as_deref());
                scope.push(&it.accu_var);
                let within = (depth + 1, loops + 1);
                for part in [&it.loop_cond, &it.loop_step, &it.result] {
                    self.walk(part, program, scope, within)?;
                }
                scope.truncate(outer);
                Ok(())
            }
        }
    }

    /// A variable that stands alone.
    fn name_variable(&mut self, name: &str) -> Result<(), (String, String)> {
        if NAMES.contains(&name) {
            return Ok(());
        }
        let vocabulary = self.vocabulary;
        let Some(variable) = vocabulary.variables.iter().find(|it| **it == name) else {
            return Err((
                format!("there is no variable {}", quoted(name)),
                suggestion(name, vocabulary.variables.iter().copied()),
            ));
        };
        if vocabulary.members_alone {
            let example = vocabulary.members_of(name).and_then(<[_]>::first);
            return Err((
                format!("{} stands here without a member", quoted(name)),
                format!("write `{name}.{}`", example.unwrap_or(&"…")),
            ));
        }
        self.variables.insert(variable);
        Ok(())
    }

    /// `variable.member`, and `has(variable.member)`.
    fn name_member(&mut self, name: &str, select: &SelectExpr) -> Result<(), (String, String)> {
        let vocabulary = self.vocabulary;
        let variable = vocabulary.variables.iter().find(|it| **it == name);
        let (Some(variable), Some(members)) = (variable, vocabulary.members_of(name)) else {
            return self.name_variable(name);
        };
        let Some(member) = members.iter().find(|it| **it == select.field) else {
            return Err((
                format!("`{name}` has no {}", quoted(&select.field)),
                suggestion(&select.field, members.iter().copied()),
            ));
        };
        if select.test && vocabulary.members_alone {
            return Err((
                format!("`{name}.{member}` is always there, so `has` says nothing"),
                format!("what is not known is null: write `{name}.{member} != null`"),
            ));
        }
        self.variables.insert(variable);
        self.members.insert((variable, member));
        Ok(())
    }

    /// What a call can cost.
    fn note_call(&mut self, call: &CallExpr, scope: &[&str], loops: u32) {
        self.splits |= call.func_name == "split";
        if loops > 0 && looks_through_a_list(call, scope) {
            self.scans = self.scans.max(loops + 1);
        }
    }

    fn entries<'e>(
        &mut self,
        entries: impl Iterator<Item = &'e EntryExpr>,
        program: &Program,
        scope: &mut Vec<&'e str>,
        below: (usize, u32),
    ) -> Result<(), Wrong> {
        for entry in entries {
            match entry {
                EntryExpr::StructField(field) => self.walk(&field.value, program, scope, below)?,
                EntryExpr::MapEntry(entry) => {
                    self.walk(&entry.key, program, scope, below)?;
                    self.walk(&entry.value, program, scope, below)?;
                }
            }
        }
        Ok(())
    }
}

/// Whether `call` may look through a list that is as long as the claims are. What stands in the expression itself is
/// short; and all that a loop variable stands for, one after the other, is no longer than the claims.
fn looks_through_a_list(call: &CallExpr, scope: &[&str]) -> bool {
    let short = |operand: &IdedExpr| match &operand.expr {
        Expr::Literal(_) | Expr::List(_) | Expr::Map(_) => true,
        Expr::Ident(name) => scope.contains(&name.as_str()),
        _ => false,
    };
    let name = call.func_name.as_str();
    if !THROUGH_LISTS.contains(&name) {
        return false;
    }
    if name == operators::IN {
        return !call.args.last().is_some_and(short);
    }
    !call.args.iter().any(short)
}

impl Expression for OfClaims {
    fn evaluate(&self, known: Known<'_>) -> Result<Value, ExpressionFailed> {
        let Self(compiled) = self;
        self.check_size(known)?;
        let mut context = new_context();
        if self.looks_at_claims() {
            context.add_variable_from_value("claims", to_cel(known.claims));
        }
        context.add_variable_from_value("identity", to_cel(known.identity));
        let answer = compiled.run(&context)?;
        from_cel(&answer).ok_or_else(|| failed("it gives something that is no text, list or truth"))
    }

    fn looks_at_claims(&self) -> bool {
        self.0.found.variables.contains("claims")
    }
}

impl OfClaims {
    /// That it ends soon.
    fn check_size(&self, known: Known<'_>) -> Result<(), ExpressionFailed> {
        let Self(compiled) = self;
        let mut most = longest(known.identity, compiled.found.splits);
        if self.looks_at_claims() {
            if known.claims.to_string().len() > MOST_CLAIMS {
                return Err(failed(&format!(
                    "the claims are more than {MOST_CLAIMS} bytes, which is too much to look at"
                )));
            }
            most = most.max(longest(known.claims, compiled.found.splits));
        }
        compiled.check_rounds(most)
    }
}

/// Without variables. What does not change is shared by all of them.
fn new_context() -> Context<'static, 'static> {
    Context::with_env(Arc::clone(&ENVIRONMENT))
}

impl Compiled {
    fn run(&self, context: &Context<'_, '_>) -> Result<CelValue, ExpressionFailed> {
        let answer = self.program.execute(context);
        answer.map_err(|error| self.failure(&error))
    }

    /// That loops in each other end soon, where the longest list has `most` entries.
    fn check_rounds(&self, most: usize) -> Result<(), ExpressionFailed> {
        let too_many = |loops: u32, bound: u64| {
            let rounds = u64::try_from(most).ok();
            let rounds = rounds.and_then(|it| it.checked_pow(loops));
            loops > 1 && rounds.is_none_or(|rounds| rounds > bound)
        };
        if too_many(self.found.loops, MOST_ROUNDS) || too_many(self.found.scans, MOST_COMPARED) {
            return Err(failed(&format!(
                "a list of {most} entries is too long for loops that stand in each other (`in` is one, too)"
            )));
        }
        Ok(())
    }

    /// In words, without values: what a provider says of a person can be secret.
    fn failure(&self, error: &ExecutionError) -> ExpressionFailed {
        let why = match error {
            // Told where it stands in the expression; otherwise it was made of values.
            ExecutionError::NoSuchKey(key) if self.source.contains(key.as_str()) => {
                return failed(&format!(
                    "there is no {}; `has(…)` asks whether there is",
                    quoted(key)
                ));
            }
            ExecutionError::NoSuchKey(_) => "a member that it looks for is not there",
            ExecutionError::IndexOutOfBounds(_) => "a list is shorter than it expects",
            ExecutionError::UndeclaredReference(_) => "it names something that does not exist",
            ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
                "it divides by zero"
            }
            ExecutionError::Overflow(..) => "a number is too large",
            ExecutionError::InvalidArgumentCount { .. } => {
                "a function has too many arguments, or too few"
            }
            _ => "a value is of another type than it expects",
        };
        failed(why)
    }
}

fn failed(why: &str) -> ExpressionFailed {
    ExpressionFailed(why.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;
    use std::ops::Range;

    fn identity() -> Value {
        json!({
            "subject": "s-1", "name": "Ada", "preferred_username": "ada", "email": "ada@acme.example",
            "emails": ["ada@acme.example"], "groups": ["app-a", "app-b", "vpn"], "roles": [], "picture": null,
            "locale": "de-AT",
        })
    }

    fn claims() -> Value {
        json!({
            "given_name": "Ada", "family_name": "Byron", "level": 5, "huge": u64::MAX, "half": 0.5, "active": true,
            "nothing": null, "realm_access": {"roles": ["x", "y"]}, "https://acme.example/dept": "it/ops",
            "entries": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
        })
    }

    fn of_claims(text: &str) -> Result<OfClaims, Wrong> {
        compiled(text, &CLAIMS).map(OfClaims)
    }

    fn evaluate(text: &str) -> Result<Value, String> {
        let compiled = of_claims(text).map_err(|wrong| wrong.message)?;
        let (claims, identity) = (claims(), identity());
        let known = Known {
            claims: &claims,
            identity: &identity,
        };
        compiled
            .evaluate(known)
            .map_err(|failed| failed.to_string())
    }

    #[rstest]
    #[case::joined("claims.given_name + ' ' + claims.family_name", json!("Ada Byron"))]
    #[case::literal_key("claims['https://acme.example/dept'].split('/')[1]", json!("ops"))]
    #[case::filter("identity.groups.filter(g, g.startsWith('app-'))", json!(["app-a", "app-b"]))]
    #[case::map("identity.groups.map(g, 'kc:' + g)", json!(["kc:app-a", "kc:app-b", "kc:vpn"]))]
    #[case::both("identity.groups.filter(g, g != 'vpn').map(g, g.substring(4))", json!(["a", "b"]))]
    #[case::of_objects("claims.entries.map(e, e.name)", json!(["a", "b"]))]
    #[case::lists("claims.realm_access.roles + identity.groups", json!(["x", "y", "app-a", "app-b", "vpn"]))]
    #[case::has("has(claims.department) ? claims.department : null", json!(null))]
    #[case::optional("claims.?department.orValue('none')", json!("none"))]
    #[case::absent_identity("identity.picture == null", json!(true))]
    #[case::whole_numbers("claims.level == 5 && claims.level > -1", json!(true))]
    #[case::huge_number("claims.huge > 5u", json!(true))]
    #[case::fraction("claims.half < 1.0", json!(true))]
    #[case::truth("claims.active", json!(true))]
    #[case::null("claims.nothing", json!(null))]
    #[case::lower("identity.name.lowerAscii()", json!("ada"))]
    #[case::exists("identity.groups.exists(g, g in ['vpn', 'x'])", json!(true))]
    #[case::two_loops("identity.groups.filter(g, ['a', 'b'].exists(s, g.endsWith(s)))", json!(["app-a", "app-b"]))]
    #[case::type_of("type(claims.level) == int", json!(true))]
    #[case::several_lines("claims.active\n  ? 'yes'\n  : 'no'", json!("yes"))]
    #[case::no_text("claims.level", json!(5))]
    fn an_expression_answers(#[case] text: &str, #[case] expected: Value) {
        assert_eq!(evaluate(text), Ok(expected));
    }

    #[rstest]
    #[case::missing(
        "claims.department",
        "there is no `department`; `has(…)` asks whether there is"
    )]
    #[case::in_something_missing("claims.a.b", "there is no `a`")]
    #[case::computed("claims[identity.email]", "a member that it looks for is not there")]
    #[case::index("identity.groups[7]", "a list is shorter than it expects")]
    #[case::types("identity.name + 1", "a value is of another type than it expects")]
    #[case::null(
        "claims.nothing.startsWith('a')",
        "a value is of another type than it expects"
    )]
    #[case::division("claims.level / 0 == 1", "it divides by zero")]
    #[case::arguments("identity.name.startsWith()", "")]
    #[case::optional("optional.of('a')", "it gives something")]
    fn a_failed_one_is_no_answer(#[case] text: &str, #[case] expected: &str) {
        let failed = evaluate(text).expect_err("no answer");
        assert!(failed.contains(expected), "{failed}");
        // What the provider said of the person is not told.
        for value in ["Ada", "Byron", "acme.example", "app-a"] {
            assert!(!failed.contains(value), "{failed}");
        }
    }

    #[rstest]
    #[case::unknown_variable("claim.name", 0..5, "there is no variable `claim`", "did you mean `claims`?")]
    #[case::later("claims.a == usr", 12..15, "there is no variable `usr`", "known here: `claims`, `identity`")]
    #[case::after_other_letters("'Žofie' == usr", 12..15, "there is no variable `usr`", "known here")]
    #[case::unknown_member("identity.group", 8..9, "`identity` has no `group`", "did you mean `groups`?")]
    #[case::asked_for("has(identity.sub)", 3..4, "`identity` has no `sub`", "known here")]
    #[case::a_loop_ends_its_variable("identity.groups.exists(g, true) && g == ''", 35..36, "there is no variable `g`", "")]
    #[case::unknown_function("identity.name.toLower()", 21..22, "there is no function `toLower`", "there are")]
    #[case::misspelt_function("identity.name.startWith('a')", 23..24, "there is no function `startWith`", "did you mean `startsWith`?")]
    #[case::misspelt_macro("identity.groups.fliter(g, true)", 22..23, "there is no function `fliter`", "did you mean `filter`?")]
    #[case::misspelt_with_a_bar("exist_one(identity.groups)", 9..10, "there is no function `exist_one`", "did you mean `exists_one`?")]
    #[case::regular_expression("identity.name.matches('^a+$')", 21..22, "there is no function `matches`", "there are no regular expressions here")]
    #[case::too_early("identity.name ==", 16..16, "it ends too early", "docs/claims.md")]
    #[case::bracket("size(identity.groups", 20..20, "missing ')'", "")]
    #[case::second_line("true &&\n  $", 10..11, "token recognition error", "")]
    #[case::syntax_after_other_letters("'Žofie' == $", 12..13, "token recognition error", "")]
    #[case::nothing("  ", 2..2, "it ends too early", "")]
    #[case::three_loops("identity.groups.all(a, identity.groups.all(b, identity.groups.all(c, a == b)))", 65..66, "more than 2 loops", "")]
    #[case::structure("identity{name: 'a'}", 0..0, "", "")]
    fn what_is_wrong_is_told_at_its_place(
        #[case] text: &str,
        #[case] at: Range<usize>,
        #[case] message: &str,
        #[case] help: &str,
    ) {
        let wrong = compiled(text, &CLAIMS).expect_err("wrong");
        assert!(wrong.message.contains(message), "{wrong:?}");
        assert!(wrong.help.contains(help), "{wrong:?}");
        assert!(wrong.at.end <= text.len(), "{wrong:?}");
        if !message.is_empty() {
            assert_eq!(wrong.at, at, "{wrong:?}");
        }
    }

    /// Each ends, and with an answer or a reason.
    #[rstest]
    #[case::brackets(format!("{}1{}", "(".repeat(499), ")".repeat(499)), Some("nests deeper"))]
    #[case::few_brackets(format!("{}1{}", "(".repeat(90), ")".repeat(90)), None)]
    #[case::lists(format!("{}1{}", "[".repeat(499), "]".repeat(499)), Some("nests deeper"))]
    #[case::conditions(format!("{}1", "true?1:".repeat(140)), Some("nests deeper"))]
    #[case::additions(format!("1{}", "+1".repeat(499)), Some("nests deeper"))]
    #[case::members(format!("claims{}", ".a".repeat(490)), Some("nests deeper"))]
    #[case::long("'a' + ".repeat(200), Some("more than 1000 characters"))]
    fn t23_no_expression_nests_without_end(#[case] text: String, #[case] expected: Option<&str>) {
        match (compiled(&text, &CLAIMS), expected) {
            (Ok(_), None) => {}
            (Err(wrong), Some(expected)) => assert!(wrong.message.contains(expected), "{wrong:?}"),
            (found, expected) => panic!("{found:?}, not {expected:?}"),
        }
    }

    /// As deep as it may be, it fits on the stack of a thread that answers requests.
    #[test]
    fn t23_the_deepest_expression_can_be_evaluated() {
        let deepest = format!("{}'x'", "claims.active ? 'a' : ".repeat(22));
        let compiled = of_claims(&deepest).expect("deep enough");
        let thread = std::thread::Builder::new().stack_size(1536 * 1024);
        let (claims, identity) = (json!({"active": false}), identity());
        let evaluated = thread.spawn(move || {
            let known = Known {
                claims: &claims,
                identity: &identity,
            };
            compiled.evaluate(known)
        });
        let answer = evaluated.expect("a thread").join().expect("no overflow");
        assert_eq!(answer, Ok(json!("x")));
    }

    #[rstest]
    #[case::one_loop("identity.groups.filter(g, g != 'x')", 1000, true)]
    #[case::two_loops(
        "identity.groups.filter(g, identity.groups.exists(h, h == g))",
        141,
        true
    )]
    #[case::two_long_loops(
        "identity.groups.filter(g, identity.groups.exists(h, h == g))",
        142,
        false
    )]
    #[case::loops_beside_each_other(
        "identity.groups.exists(g, g == 'x') || identity.groups.all(g, g != 'x')",
        1000,
        true
    )]
    #[case::in_a_list("identity.groups.filter(g, g in identity.groups)", 1000, true)]
    #[case::in_a_long_list("identity.groups.filter(g, g in identity.groups)", 1001, false)]
    #[case::in_a_list_that_stands_here("identity.groups.filter(g, g in ['a', 'b'])", 5000, true)]
    #[case::in_a_list_without_a_loop("'a' in identity.groups", 5000, true)]
    #[case::in_a_list_in_two_loops(
        "identity.groups.filter(g, identity.groups.exists(h, h in identity.groups))",
        100,
        true
    )]
    #[case::in_a_long_list_in_two_loops(
        "identity.groups.filter(g, identity.groups.exists(h, h in identity.groups))",
        101,
        false
    )]
    #[case::lists_compared(
        "identity.groups.filter(g, identity.groups == identity.groups)",
        1001,
        false
    )]
    #[case::lists_joined(
        "identity.groups.all(g, size(identity.groups + identity.groups) > 0)",
        1001,
        false
    )]
    fn t23_nested_loops_are_for_short_lists(
        #[case] text: &str,
        #[case] groups: usize,
        #[case] expected: bool,
    ) {
        let groups: Vec<String> = (0..groups).map(|number| format!("g{number}")).collect();
        let (claims, identity) = (json!({}), json!({ "groups": groups }));
        let known = Known {
            claims: &claims,
            identity: &identity,
        };
        let answer = of_claims(text).expect("right").evaluate(known);
        assert_eq!(answer.is_ok(), expected, "{answer:?}");
    }

    /// More than this is too much to look at; what does not look is not concerned.
    #[test]
    fn t23_claims_are_bounded() {
        let (claims, identity) = (json!({"a": "x".repeat(MOST_CLAIMS)}), identity());
        let known = Known {
            claims: &claims,
            identity: &identity,
        };
        let failed = of_claims("has(claims.a)").expect("right").evaluate(known);
        assert!(
            failed
                .expect_err("too much")
                .to_string()
                .contains("more than 32768 bytes")
        );
        assert!(
            of_claims("identity.name")
                .expect("right")
                .evaluate(known)
                .is_ok()
        );
    }

    #[test]
    fn a_text_that_is_split_counts_as_a_list() {
        let (claims, identity) = (json!({"a": "x,".repeat(1000)}), identity());
        let known = Known {
            claims: &claims,
            identity: &identity,
        };
        let nested = "claims.a.split(',').all(x, claims.a.split(',').exists(y, x == y))";
        assert!(of_claims(nested).expect("right").evaluate(known).is_err());
    }

    /// Every function that may be named is one.
    #[test]
    fn every_function_exists() {
        let uses = [
            "bool('true')",
            "bytes('a') == b'a'",
            "'a'.charAt(0)",
            "'a'.contains('a')",
            "double('1')",
            "dyn(1)",
            "'a'.endsWith('a')",
            "optional.of(1).hasValue()",
            "'a'.indexOf('a')",
            "int('5')",
            "['a'].join(',')",
            "'a'.lastIndexOf('a')",
            "'A'.lowerAscii()",
            "optional.none().hasValue()",
            "optional.of(1).value() == 1",
            "optional.ofNonZeroValue('').hasValue()",
            "optional.of(1).optFlatMap(x, optional.of(x)).orValue(2)",
            "optional.of(1).optMap(x, x + 1).orValue(2)",
            "optional.of(1).or(optional.of(2)).orValue(3)",
            "'a'.replace('a', 'b')",
            "'ab'.reverse()",
            "size('a')",
            "'a,b'.split(',')",
            "'a'.startsWith('a')",
            "string(1)",
            "'ab'.substring(1)",
            "' a '.trim()",
            "type(1) == int",
            "uint(1)",
            "'a'.upperAscii()",
        ];
        for text in uses {
            let answer = evaluate(text);
            assert!(answer.is_ok(), "{text}: {answer:?}");
        }
        for function in FUNCTIONS {
            assert!(
                uses.iter()
                    .any(|text| text.contains(&format!("{function}("))),
                "{function}"
            );
        }
    }
}
