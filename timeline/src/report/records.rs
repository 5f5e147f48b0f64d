//! What the cited records say: which places a report cites, and how they get to the rows of the timeline and back.

use super::model::Report;
use crate::cited::{Cited, CitedRecord};
use evidence::{Citation, Execution, Filetime};
use std::collections::{HashMap, HashSet};

/// Takes a citation, the id of what it belongs to, and the time of the row that is meant.
type Each<'e> = dyn FnMut(&mut Citation, Option<&str>, Option<Filetime>) + 'e;

/// The time and the id of a row.
type Row<'r> = (Option<Filetime>, &'r str);

/// Hands over every place that a run rests on, with its time where that is known.
fn of_run(run: &mut Execution, each: &mut dyn FnMut(&mut Citation, Option<Filetime>)) {
    let started = run.started.or(run.not_after);
    let elevated = run.user.iter_mut().flat_map(|user| &mut user.elevated.citations);
    let same_file = run.assembly.same_file.iter_mut().flat_map(|same| &mut same.citations);
    let all = run.sources.iter_mut().chain(elevated).chain(&mut run.method.citations).chain(same_file);
    all.for_each(|one| each(one, started));
    run.related.iter_mut().for_each(|one| each(&mut one.citation, Some(one.at)));
}

impl Report {
    /// Hands over every citation with the id of what it belongs to, and the time of the row that is meant.
    fn each_citation(&mut self, each: &mut Each<'_>) {
        for run in &mut self.executions {
            let id = run.id.clone();
            of_run(&mut run.subject, &mut |one, at| each(one, Some(&id), at));
            run.findings.iter_mut().flat_map(|finding| &mut finding.citations).for_each(|one| each(one, None, None));
        }
        for attempt in &mut self.attempts {
            let (id, at) = (attempt.id.clone(), attempt.started);
            attempt.sources.iter_mut().for_each(|one| each(one, Some(&id), at));
        }
        for registration in &mut self.registrations {
            let (id, at) = (registration.id.clone(), registration.last_written);
            registration.sources.iter_mut().for_each(|one| each(one, Some(&id), at));
        }
        for lookalike in &mut self.lookalikes {
            lookalike.runs.iter_mut().flat_map(|run| &mut run.sources).for_each(|one| each(one, None, None));
        }
        let others = self.lookalikes.iter_mut().flat_map(|one| &mut one.sources);
        let others = others.chain(self.assemblies.iter_mut().flat_map(|one| &mut one.sources));
        let others = others.chain(self.summary.statements.iter_mut().flat_map(|one| &mut one.citations));
        let others = others.chain(self.host.boots.iter_mut().flat_map(|boot| &mut boot.sources));
        let others = others.chain(self.host.clock_changes.iter_mut().flat_map(|change| &mut change.sources));
        others.for_each(|one| each(one, None, None));
        for source in &mut self.coverage {
            source.cleared.iter_mut().for_each(|one| each(one, None, None));
            source.clearings.iter_mut().for_each(|one| each(&mut one.citation, None, one.at));
        }
    }

    /// The places that it cites, for the rows of the timeline.
    pub fn cited(&mut self) -> Cited {
        let mut cited = Cited::default();
        // Of the many classes that Windows itself registers, what each record says would be most of the report.
        let ordinary: HashSet<String> =
            self.registrations.iter().filter(|one| !one.is_notable()).map(|one| one.id.clone()).collect();
        self.each_citation(&mut |one, owner, _| {
            cited.add(one, owner, owner.is_none_or(|owner| !ordinary.contains(owner)));
        });
        cited
    }

    /// Takes the rows of the timeline that it cites: each citation gets the id of its row, and what the records say is told.
    pub fn take_records(&mut self, records: Vec<CitedRecord>) {
        let mut rows: HashMap<(&str, &str, &str), Vec<Row<'_>>> = HashMap::new();
        for record in &records {
            let place = (record.item.as_str(), record.sha256.as_str(), record.place.as_str());
            rows.entry(place).or_default().push((record.at, &record.event_id));
        }
        self.each_citation(&mut |one, _, at| {
            let words = one.locator.to_string();
            let Some(rows) = rows.get(&(one.item.as_str(), one.sha256.as_str(), words.as_str())) else { return };
            let of_time = rows.iter().find(|(time, _)| *time == at);
            one.event_id = of_time.or(rows.first()).map(|(_, id)| (*id).to_owned());
        });
        self.records = records.into_iter().filter(|record| record.is_told).collect();
    }
}
