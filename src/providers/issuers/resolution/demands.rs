//! What tokens must say beside audience and times.

use serde_json::Value as Json;

use super::super::profile::{Demand, Rule};
use super::Resolution;
use crate::domain::claims::ClaimPath;
use crate::jose::ClaimDemand;
use crate::providers::parameters::List;

impl Resolution<'_> {
    pub(super) fn demands(&mut self) -> Option<Vec<ClaimDemand>> {
        let profile = self.profile.required_claims.iter();
        let demands: Vec<Option<ClaimDemand>> = profile
            .filter_map(|it| self.demand(it).transpose())
            .collect();
        let mut demands: Vec<ClaimDemand> = demands.into_iter().collect::<Option<_>>()?;
        for own in &self.settings.required_claims {
            let claim = ClaimPath::new(&own.claim);
            demands.push(match &own.one_of {
                None => ClaimDemand::Present(claim),
                Some(texts) => ClaimDemand::OneOf {
                    claim,
                    values: texts.iter().map(|text| Json::from(&**text)).collect(),
                },
            });
        }
        Some(demands)
    }

    /// The inner none: nothing is demanded. The error of that: something that must be there is missing.
    fn demand(&self, demand: &Demand) -> DemandMade {
        let written = self.written();
        let Some(claim) = written.path(&demand.claim) else {
            return DemandMade::Missing;
        };
        let made = match &demand.rule {
            Rule::IsTrue => ClaimDemand::Is {
                claim,
                value: true.into(),
            },
            Rule::IsOrAbsent(text) => match text.fill(&self.values) {
                None => ClaimDemand::Absent(claim),
                Some(text) => ClaimDemand::Is {
                    claim,
                    value: text.into(),
                },
            },
            Rule::Is { text, any_case } => match text.fill(&self.values) {
                // What the operator left out is not asked for.
                None => return DemandMade::Nothing,
                Some(text) if *any_case => ClaimDemand::OneOfInAnyCase {
                    claim,
                    values: vec![text.into()],
                },
                Some(text) => ClaimDemand::Is {
                    claim,
                    value: text.into(),
                },
            },
            Rule::OneOf { list, any_case } => match self.lists.get(list) {
                Some(List::Of(values)) if *any_case => ClaimDemand::OneOfInAnyCase {
                    claim,
                    values: values.clone(),
                },
                Some(List::Of(values)) => ClaimDemand::OneOf {
                    claim,
                    values: values.iter().map(|text| Json::from(&**text)).collect(),
                },
                Some(List::Unlimited(_)) | None => return DemandMade::Nothing,
            },
            Rule::Present(others) if others.is_empty() => ClaimDemand::Present(claim),
            Rule::Present(others) => {
                let others = others.iter().filter_map(|it| written.path(it));
                ClaimDemand::AnyPresent(std::iter::once(claim).chain(others).collect())
            }
            Rule::Absent => ClaimDemand::Absent(claim),
            Rule::Past => ClaimDemand::Past(claim),
            Rule::PresentIf(condition) => match condition.fill(&self.values) {
                None => return DemandMade::Nothing,
                Some(_) => ClaimDemand::Present(claim),
            },
            Rule::AbsentIf(condition) => match condition.fill(&self.values) {
                None => return DemandMade::Nothing,
                Some(_) => ClaimDemand::Absent(claim),
            },
            Rule::ZeroIf(condition) => match condition.fill(&self.values) {
                None => return DemandMade::Nothing,
                Some(_) => ClaimDemand::Is {
                    claim,
                    value: 0.into(),
                },
            },
        };
        DemandMade::Made(made)
    }
}

/// What became of a demand of the profile.
enum DemandMade {
    Made(ClaimDemand),
    /// It is about something that the operator left out.
    Nothing,
    /// Its own place depends on something that was left out.
    Missing,
}

impl DemandMade {
    #[expect(clippy::option_option, reason = "left out, missing, or there")]
    fn transpose(self) -> Option<Option<ClaimDemand>> {
        match self {
            Self::Made(demand) => Some(Some(demand)),
            Self::Nothing => None,
            Self::Missing => Some(None),
        }
    }
}
