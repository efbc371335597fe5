//! What an expression may say: variables, types, macros and functions. What is not here is refused by name.

use crate::config::diagnostics::nearest;

/// What `identity` has.
pub(super) const IDENTITY: [&str; 9] = [
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

pub(super) const VARIABLES: [&str; 2] = ["claims", "identity"];

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
