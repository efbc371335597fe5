//! What somebody may do, asked beforehand: by themselves, or by a service that they came to.
//!
//! Invariant: who it is and whether they may is found by the code of the check, so that it says the same when they
//! come. Nothing is counted as a check, and nothing let in.

use http::Method;

use super::check::{Found, Gate, admit, sign_in_required, source};
use super::dialect::CheckRequest;
use super::target::CheckTarget;
use super::verdict::Verdict;
use super::whoever::Whoever;
use crate::domain::host::Host;
use crate::domain::path::CanonicalPath;
use crate::domain::policy::{Refusal, Ruling, Source, Target};

/// Something that somebody may want to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// The path, as it would be asked for. None: it is not known.
    pub path: Option<Box<str>>,
    /// The method. None: it is not known.
    pub method: Option<Method>,
}

/// Whether they may, or why not.
pub type Answer = Result<(), Denied>;

/// Why somebody may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// The rules say so.
    Refused(Refusal),
    /// The path has no single meaning.
    Ambiguous,
}

/// Where the questions are asked.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// At this app.
    pub found: Found<'a>,
    /// At this host of it. None: it is not known.
    pub host: Option<&'a Host>,
    /// From there.
    pub source: Source,
}

impl Gate {
    /// Answers whoever asks about themselves, on an app's host. `own` is the address at which they ask. What they
    /// show in vain is counted and audited as at a check.
    ///
    /// # Errors
    /// What a check would answer: what they show is not good, cannot be judged, or is nothing.
    pub async fn ask_about_oneself(
        &self,
        request: &CheckRequest<'_>,
        own: &CheckTarget<'_>,
        found: Found<'_>,
        questions: &[Question],
    ) -> Result<(Whoever, Vec<Answer>), Verdict> {
        let place = Place {
            found,
            host: Some(found.host),
            source: source(request, found.directory.server()),
        };
        let answered = self.ask(request, own, place, questions).await;
        answered.map_err(|verdict| self.settle(verdict, request, own, found))
    }

    /// Who `request` shows, and which of `questions` they may do.
    ///
    /// # Errors
    /// What they show is not good, cannot be judged, or is nothing.
    pub async fn ask(
        &self,
        request: &CheckRequest<'_>,
        own: &CheckTarget<'_>,
        place: Place<'_>,
        questions: &[Question],
    ) -> Result<(Whoever, Vec<Answer>), Verdict> {
        self.attested(request, place.found).await?;
        let whoever = self.whoever(request, own, place.found, &mut ()).await?;
        if matches!(whoever, Whoever::Nobody) {
            return Err(sign_in_required(place.found.at));
        }
        let answers = questions
            .iter()
            .map(|question| may(request, place, &whoever, question));
        let answers = answers.collect();
        Ok((whoever, answers))
    }
}

/// Whether `whoever` may do what `question` says.
fn may(
    request: &CheckRequest<'_>,
    place: Place<'_>,
    whoever: &Whoever,
    question: &Question,
) -> Answer {
    let path = question.path.as_deref().map(CanonicalPath::parse);
    let path = path.transpose().map_err(|_| Denied::Ambiguous)?;
    let asked = Target {
        path: path.as_ref(),
        method: question.method.as_ref(),
        host: place.host,
        preflight: false,
        source: place.source,
    };
    let judged = match place.found.at.app.policy.ruling(asked) {
        Ruling::Refused(refusal) => Err(refusal),
        Ruling::Public { .. } => Ok(()),
        Ruling::SignedIn { requirements, .. } => match whoever.subject() {
            Some(subject) => admit((requirements, asked), request, subject),
            None => Err(Refusal::Nobody),
        },
    };
    judged.map_err(Denied::Refused)
}
