//! Conditions of rules, as far as the rules know them: they are given a caller and what is asked for, and say
//! whether the caller may pass.
//!
//! Invariant: a condition that cannot be judged lets nobody pass, whether it fails or looks at something that is
//! not known. The language itself is `config`'s, which compiles it once.

use std::fmt;
use std::sync::Arc;

use super::caller::Subject;
use super::expression::ExpressionFailed;
use super::policy::{Refusal, Source, Target};

/// What of a request a condition looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact by itself, and any of them may be looked at"
)]
pub struct Needs {
    /// The path.
    pub path: bool,
    /// The method.
    pub method: bool,
    /// The host.
    pub host: bool,
    /// Where it comes from.
    pub source: bool,
}

/// A condition that was compiled.
pub trait Condition: fmt::Debug + Send + Sync {
    /// Whether it is true of `subject` and `target`.
    ///
    /// # Errors
    /// [`ExpressionFailed`]; without any value of what it looked at.
    fn holds(&self, subject: Subject<'_>, target: Target<'_>) -> Result<bool, ExpressionFailed>;

    /// What it looks at.
    fn needs(&self) -> Needs;

    /// As it was written.
    fn text(&self) -> &str;
}

/// `when` of a rule, or of one of its alternatives.
#[derive(Clone, Debug)]
pub struct When {
    condition: Arc<dyn Condition>,
    place: Box<str>,
}

impl When {
    /// With the place where it was written, for operators.
    #[must_use]
    pub fn new(condition: Arc<dyn Condition>, place: Box<str>) -> Self {
        Self { condition, place }
    }

    /// What it looks at.
    #[must_use]
    pub fn needs(&self) -> Needs {
        self.condition.needs()
    }

    /// Where it was written: file, line and column.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// That it is true.
    ///
    /// # Errors
    /// It is not, it fails, or what it looks at is not known.
    pub(super) fn admit(&self, subject: Subject<'_>, target: Target<'_>) -> Result<(), Refusal> {
        let needs = self.needs();
        if needs.path && target.path.is_none() {
            return Err(Refusal::PathUnknown);
        }
        if needs.method && target.method.is_none() {
            return Err(Refusal::MethodUnknown);
        }
        if needs.source {
            match target.source {
                // Judged when there is a request.
                Source::NotAsked => return Ok(()),
                Source::Unknown => return Err(Refusal::SourceUnknown),
                Source::Address(_) => {}
            }
        }
        match self.condition.holds(subject, target) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Refusal::Condition),
            Err(_) => Err(Refusal::ConditionFailed),
        }
    }

    /// Why it fails, if it does. It is evaluated once more, because those that pass should not pay for the reason.
    pub(super) fn failure(
        &self,
        subject: Subject<'_>,
        target: Target<'_>,
    ) -> Option<ConditionFailed<'_>> {
        let why = self.condition.holds(subject, target).err()?;
        Some(ConditionFailed {
            place: &self.place,
            why,
        })
    }
}

/// Two are the same when they say the same.
impl PartialEq for When {
    fn eq(&self, other: &Self) -> bool {
        self.condition.text() == other.condition.text()
    }
}

impl Eq for When {}

impl fmt::Display for When {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.condition.text())
    }
}

/// A condition that could not be judged, for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionFailed<'a> {
    /// Where it was written.
    pub place: &'a str,
    /// Why.
    pub why: ExpressionFailed,
}
