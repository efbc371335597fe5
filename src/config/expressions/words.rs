//! What an expression may say: variables, types, macros and functions. What is not here is refused by name.

use cel::common::ast::operators;

use crate::config::diagnostics::nearest;

/// The variables that an expression may name, and what they have.
#[derive(Debug)]
pub(super) struct Vocabulary {
    pub(super) variables: &'static [&'static str],
    /// Variables whose members are known, with those.
    members: &'static [(&'static str, &'static [&'static str])],
    /// Whether a variable stands with a member only, so that what is looked at is known beforehand.
    pub(super) members_alone: bool,
    /// What explains it.
    pub(super) page: &'static str,
}

impl Vocabulary {
    /// What `variable` has, where that is known.
    pub(super) fn members_of(&self, variable: &str) -> Option<&'static [&'static str]> {
        let found = self.members.iter().find(|(name, _)| *name == variable);
        found.map(|(_, members)| *members)
    }
}

/// What a provider says of a person, and what is made of it.
pub(super) static CLAIMS: Vocabulary = Vocabulary {
    variables: &["claims", "identity"],
    members: &[("identity", &IDENTITY)],
    members_alone: false,
    page: "docs/claims.md",
};

/// Who calls, and what for.
pub(super) static CALLERS: Vocabulary = Vocabulary {
    variables: &["caller", "request"],
    members: &[("caller", &CALLER), ("request", &REQUEST)],
    members_alone: true,
    page: "docs/rules.md",
};

/// What `caller` has: all that rules know of one.
const CALLER: [&str; 13] = [
    "scheme",
    "user",
    "subject",
    "email",
    "name",
    "preferred_username",
    "groups",
    "roles",
    "scopes",
    "permissions",
    "issuer",
    "client",
    "provider",
];

/// What `request` has.
const REQUEST: [&str; 4] = ["path", "method", "host", "address"];

/// What `identity` has.
const IDENTITY: [&str; 9] = [
    "subject",
    "name",
    "preferred_username",
    "email",
    "emails",
    "groups",
    "roles",
    "picture",
    "locale",
];

/// Types and the names that functions stand below.
pub(super) const NAMES: [&str; 13] = [
    "bool",
    "bytes",
    "double",
    "int",
    "list",
    "map",
    "null_type",
    "optional",
    "optional_type",
    "string",
    "strings",
    "type",
    "uint",
];

/// What looks like a function, and is written out before anything is called.
pub(super) const MACROS: [&str; 6] = ["all", "exists", "exists_one", "filter", "has", "map"];

/// Functions, beside operators. Not here on purpose: `matches`.
pub(super) const FUNCTIONS: [&str; 32] = [
    "bool",
    "bytes",
    "charAt",
    "contains",
    "double",
    "dyn",
    "endsWith",
    "hasValue",
    "indexOf",
    "int",
    "join",
    "lastIndexOf",
    "lowerAscii",
    "none",
    "of",
    "ofNonZeroValue",
    "optFlatMap",
    "optMap",
    "or",
    "orValue",
    "replace",
    "reverse",
    "size",
    "split",
    "startsWith",
    "string",
    "substring",
    "trim",
    "type",
    "uint",
    "upperAscii",
    "value",
];

/// Operators and functions that never give true or false.
pub(super) const NO_TRUTH: [&str; 25] = [
    operators::ADD,
    operators::SUBSTRACT,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::NEGATE,
    "bytes",
    "charAt",
    "double",
    "indexOf",
    "int",
    "join",
    "lastIndexOf",
    "lowerAscii",
    "none",
    "of",
    "ofNonZeroValue",
    "replace",
    "reverse",
    "size",
    "split",
    "string",
    "substring",
    "trim",
    "upperAscii",
];

/// What to write in place of a function that there is not.
pub(super) fn instead_of(name: &str) -> String {
    if name == "matches" {
        return "there are no regular expressions here: use `startsWith`, `endsWith` or `contains`"
            .into();
    }
    nearest(name, FUNCTIONS.into_iter().chain(MACROS)).map_or_else(
        || {
            let (functions, macros) = (FUNCTIONS.join(", "), MACROS.join(", "));
            format!("there are {functions}; and for lists {macros}")
        },
        |near| format!("did you mean `{near}`?"),
    )
}
