//! Where parsers put what they find, and how one object is parsed by several threads.

use crate::guard::guarded;
use crate::problem::{Problem, ProblemKind, Stage};
use crate::record::{Integrity, Locator, Record};
use crate::time::Filetime;
use parking_lot::{Condvar, Mutex};
use std::collections::BTreeMap;

/// Threads that parse one object together.
#[derive(Clone, Copy)]
pub struct Crew<'a> {
    /// How many parts are parsed at the same time, at most.
    pub threads: usize,
    /// Makes the call on each of that many threads, at the same time where they are free, and waits for all of them. No
    /// thread may begin with anything else meanwhile.
    pub each: &'a (dyn Fn(&(dyn Fn() + Sync)) + Sync),
    /// Whether nobody wants the rest any more.
    pub is_stopped: &'a (dyn Fn() -> bool + Sync),
}

/// A crew, and where its records go.
#[derive(Clone, Copy)]
pub(crate) struct Shared<'a> {
    pub(crate) crew: &'a Crew<'a>,
    pub(crate) on_record: &'a (dyn Fn(Record) + Sync),
}

/// Takes what a parser finds, one record at a time, so that memory does not grow with the evidence.
pub struct Sink<'a> {
    item: String,
    stage: Stage,
    on_record: &'a mut dyn FnMut(Record),
    told: Told,
    shared: Option<Shared<'a>>,
}

/// What is said of an item beside its records.
#[derive(Default)]
struct Told {
    records: u64,
    problems: Vec<Problem>,
    problems_left_out: u64,
    notes_left_out: u64,
    /// Records of runs with a time that no clock showed: of intact records and of others, with the first.
    impossible: [(u64, Option<(Filetime, Locator)>); 2],
}

impl Told {
    fn push(&mut self, problem: Problem) {
        // Notes have room of their own, so that they leave out no problem.
        let left_out = if problem.is_note { &mut self.notes_left_out } else { &mut self.problems_left_out };
        let alike = self.problems.iter().filter(|one| one.is_note == problem.is_note);
        if *left_out > 0 || alike.count() >= MAX_PROBLEMS_PER_ITEM {
            *left_out += 1;
        } else {
            self.problems.push(problem);
        }
    }

    /// Adds what is said of the part that follows: the same as if it had been said here.
    fn append(&mut self, part: Told) {
        self.records += part.records;
        part.problems.into_iter().for_each(|problem| self.push(problem));
        self.problems_left_out += part.problems_left_out;
        self.notes_left_out += part.notes_left_out;
        for ((count, first), (more, example)) in self.impossible.iter_mut().zip(part.impossible) {
            *count += more;
            *first = first.take().or(example);
        }
    }
}

/// Most problems kept of one item; damaged files could otherwise produce one per byte.
const MAX_PROBLEMS_PER_ITEM: usize = 200;

impl<'a> Sink<'a> {
    /// A sink for one item.
    pub fn new(item: impl Into<String>, on_record: &'a mut dyn FnMut(Record)) -> Self {
        Sink { item: item.into(), stage: Stage::Parse, on_record, told: Told::default(), shared: None }
    }

    /// Lets several threads parse.
    pub(crate) fn share(&mut self, shared: Option<Shared<'a>>) {
        self.shared = shared;
    }

    /// Hands over a record.
    pub fn record(&mut self, record: Record) {
        self.told.records += 1;
        let times = record.moments.iter().filter_map(|moment| Some((moment.when.sort_key()?, &moment.locator)));
        let first = times.into_iter().find(|(time, _)| !time.is_possible());
        if let Some((time, locator)) = first.filter(|_| record.run_time().is_some()) {
            let (count, example) = &mut self.told.impossible[usize::from(record.integrity != Integrity::Intact)];
            *count += 1;
            let place = || locator.as_deref().unwrap_or(&record.locator).clone();
            example.get_or_insert_with(|| (time, place()));
        }
        (self.on_record)(record);
    }

    /// Hands over a problem of the item being parsed.
    pub fn problem(
        &mut self,
        kind: ProblemKind,
        locator: Option<Locator>,
        what: impl Into<String>,
        effect: impl Into<String>,
    ) {
        let problem = Problem::new(self.stage, kind, self.item.clone(), what, effect);
        self.told.push(Problem { locator, ..problem });
    }

    /// Hands over a note: everything that was meant to be read was read all the same.
    pub fn note(
        &mut self,
        kind: ProblemKind,
        locator: Option<Locator>,
        what: impl Into<String>,
        effect: impl Into<String>,
    ) {
        let note = Problem::new(self.stage, kind, self.item.clone(), what, effect).as_note();
        self.told.push(Problem { locator, ..note });
    }

    /// Says that a parser panicked.
    pub(crate) fn gave_up(&mut self, title: &str) {
        self.problem(
            ProblemKind::ParserPanicked,
            None,
            format!("the parser of {title} gave up on this object"),
            "records that are behind the place where it stopped are missing",
        );
    }

    /// How many records were handed over.
    pub fn records(&self) -> u64 {
        self.told.records
    }

    /// Ends the item: its problems, with one more where some were left out.
    pub fn finish(mut self) -> Vec<Problem> {
        let [intact, others] = std::mem::take(&mut self.told.impossible);
        for ((count, example), is_note) in [(intact, false), (others, true)] {
            let Some((time, locator)) = example else { continue };
            let what = format!("records of runs with a time that no clock of a host can show: {count}, such as {time}");
            let effect = "such a time is kept as it is stored; it dates nothing, and no run is counted by it";
            let kind = ProblemKind::OutOfRange { raw: time.0.to_string() };
            let problem = Problem::new(self.stage, kind, self.item.clone(), what, effect);
            self.told.push(Problem { locator: Some(locator), is_note, ..problem });
        }
        if self.told.problems_left_out > 0 {
            self.told.problems.push(Problem::new(
                self.stage,
                ProblemKind::LimitReached,
                self.item.clone(),
                format!("{} more problems of this item are not listed", self.told.problems_left_out),
                "the item is damaged in more places than are shown",
            ));
        }
        if self.told.notes_left_out > 0 {
            let what = format!("{} more notes of this item are not listed", self.told.notes_left_out);
            let effect = "everything that was meant to be read was read all the same";
            self.told
                .problems
                .push(Problem::new(self.stage, ProblemKind::LimitReached, self.item, what, effect).as_note());
        }
        self.told.problems
    }

    /// Parses an object part by part, on all threads that there are for it. `next` cuts off the part that follows and says
    /// where it lies; `parse` parses one for itself, in any order and at the same time as others; `took` gets in their order
    /// what they came to, `None` where the parser panicked. `begin` makes what a thread keeps from one part to the next, such as
    /// the names of folders that it read: it may save work, and decides nothing. What is said of the parts comes out in their order as well, so
    /// that the number of threads changes nothing but the order of the records.
    ///
    /// At most twice as many parts as there are threads are parsed or wait for one before them.
    pub fn in_parts<P: Send, S: Send, K>(
        &mut self,
        next: impl FnMut() -> Option<(Locator, P)> + Send,
        begin: impl Fn() -> K + Sync,
        parse: impl Fn(P, &mut K, &mut Sink<'_>) -> S + Sync,
        took: impl FnMut(Option<S>) + Send,
    ) {
        let (mut next, mut took) = (next, took);
        let Some(Shared { crew, on_record }) = self.shared.filter(|shared| shared.crew.threads > 1) else {
            let mut kept = begin();
            while let Some((place, part)) = next() {
                let came_to = self.part(place, |sink| parse(part, &mut kept, sink));
                if came_to.is_none() {
                    kept = begin();
                }
                took(came_to);
            }
            return;
        };
        let item = self.item.as_str();
        let cutting = Mutex::new(Cutting { next, parts: 0, is_over: false });
        let ordered = Mutex::new(Ordered {
            waiting: BTreeMap::new(),
            parts: 0,
            told: Told::default(),
            took,
            has_panicked: false,
        });
        let taken = Condvar::new();
        let cut = || {
            let mut cutting = cutting.lock();
            let mut ordered = ordered.lock();
            // One part that takes long does not let the results of all others pile up.
            while cutting.parts >= ordered.parts + 2 * crew.threads {
                taken.wait(&mut ordered);
            }
            drop(ordered);
            cutting.cut()
        };
        (crew.each)(&|| {
            let mut kept = begin();
            while !(crew.is_stopped)() {
                let Some((number, place, part)) = guarded(cut).unwrap_or_else(|| {
                    ordered.lock().has_panicked = true;
                    None
                }) else {
                    break;
                };
                let mut on_record = |record| on_record(record);
                let mut sink = Sink::new(item, &mut on_record);
                let came_to = sink.part(place, |sink| parse(part, &mut kept, sink));
                if came_to.is_none() {
                    kept = begin();
                }
                let told = sink.told;
                ordered.lock().add(number, (told, came_to));
                taken.notify_all();
            }
        });
        let Ordered { told, has_panicked, .. } = ordered.into_inner();
        self.told.append(told);
        // It costs what it costs on one thread.
        assert!(!has_panicked, "cutting an object into parts, or putting them together, panicked");
    }

    /// What a part came to. A panic becomes a problem and costs the records that would have followed in this part.
    fn part<S>(&mut self, place: Locator, parse: impl FnOnce(&mut Sink<'_>) -> S) -> Option<S> {
        let came_to = guarded(|| parse(self));
        if came_to.is_none() {
            self.problem(
                ProblemKind::ParserPanicked,
                Some(place),
                "the parser gave up on a part of this object",
                "records of this part that stand behind the place where it stopped are missing, and nothing is said of the \
                 object as a whole",
            );
        }
        came_to
    }
}

/// An object that is being cut.
struct Cutting<N> {
    next: N,
    /// Parts that were cut off.
    parts: usize,
    is_over: bool,
}

impl<P, N: FnMut() -> Option<(Locator, P)>> Cutting<N> {
    /// The next part and its number.
    fn cut(&mut self) -> Option<(usize, Locator, P)> {
        if std::mem::replace(&mut self.is_over, true) {
            return None;
        }
        let (place, part) = (self.next)()?;
        self.is_over = false;
        self.parts += 1;
        Some((self.parts - 1, place, part))
    }
}

/// Puts what the parts came to in order.
struct Ordered<S, T> {
    /// Parts behind one that is not parsed yet.
    waiting: BTreeMap<usize, (Told, Option<S>)>,
    /// Parts that were taken.
    parts: usize,
    told: Told,
    took: T,
    has_panicked: bool,
}

impl<S, T: FnMut(Option<S>)> Ordered<S, T> {
    fn add(&mut self, number: usize, part: (Told, Option<S>)) {
        self.waiting.insert(number, part);
        while let Some((told, came_to)) = self.waiting.remove(&self.parts) {
            self.parts += 1;
            self.told.append(told);
            // Whoever waits for this part goes on in any case.
            self.has_panicked |= guarded(|| (self.took)(came_to)).is_none();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::{Claim, RunTime};
    use crate::record::{Meaning, Moment};
    use crate::schema::RecordType;
    use crate::time::Timestamp;
    use crate::value::Fields;

    static RUN: RecordType = RecordType::named("test:run");

    fn record(ticks: u64, claims: &'static [Claim], integrity: Integrity) -> Record {
        Record {
            artifact: "prefetch",
            of: &RUN,
            subject: "RUN.EXE".to_owned(),
            user: None,
            moments: vec![Moment::at(Meaning::LAST_RUN, Timestamp::filetime(ticks).unwrap())],
            fields: Fields::new(),
            claims,
            locator: Locator::Whole,
            integrity,
        }
    }

    #[test]
    fn a_run_at_an_impossible_time_is_a_problem_and_kept() {
        let mut kept = Vec::new();
        let mut keep = |record| kept.push(record);
        let mut sink = Sink::new("RUN.pf", &mut keep);
        let possible = 134_171_071_530_000_000;
        sink.record(record(possible, &[Claim::Executed(RunTime::Start)], Integrity::Intact));
        sink.record(record(1, &[Claim::Opened], Integrity::Intact));
        sink.record(record(1, &[Claim::Executed(RunTime::Start)], Integrity::Intact));
        sink.record(record(u64::MAX / 2, &[Claim::Executed(RunTime::Start)], Integrity::Corrupted));
        let said: Vec<_> = sink.finish().into_iter().map(|problem| (problem.kind, problem.is_note)).collect();
        let out_of_range = |raw: u64| ProblemKind::OutOfRange { raw: raw.to_string() };
        assert_eq!(said, [(out_of_range(1), false), (out_of_range(u64::MAX / 2), true)]);
        assert_eq!(kept.len(), 4);
    }

    /// What 40 parts come to, of which two panic and one says more than is kept, on so many threads.
    fn in_parts(threads: usize) -> (Vec<Option<u64>>, Vec<u64>, Vec<Problem>) {
        let each = |work: &(dyn Fn() + Sync)| {
            rayon::scope(|scope| (0..threads).for_each(|_| scope.spawn(|_| work())));
        };
        let crew = Crew { threads, each: &each, is_stopped: &|| false };
        let records = Mutex::new(Vec::new());
        let keep = |record: Record| records.lock().push(record.fields.number("Part").unwrap());
        let mut alone = keep;
        let mut sink = Sink::new("test", &mut alone);
        sink.share(Some(Shared { crew: &crew, on_record: &keep }));
        let (mut numbers, mut took) = (0..40u64, Vec::new());
        sink.in_parts(
            || numbers.next().map(|number| (Locator::Whole, number)),
            || false,
            |number, has_panicked, sink| {
                // What a thread keeps is not what a panic left.
                assert!(!*has_panicked);
                *has_panicked = number % 20 == 7;
                let mut fields = Fields::new();
                fields.push("Part", number);
                sink.record(Record {
                    fields,
                    ..record(number + 1, &[Claim::Executed(RunTime::Start)], Integrity::Intact)
                });
                let said = if number == 20 { 250 } else { 1 };
                (0..said).for_each(|one| sink.problem(ProblemKind::LimitReached, None, format!("{number} {one}"), ""));
                (0..3).for_each(|one| sink.note(ProblemKind::LimitReached, None, format!("note {number} {one}"), ""));
                assert!(number % 20 != 7, "it fails");
                number * number
            },
            |part| took.push(part),
        );
        let problems = sink.finish();
        let mut records = records.into_inner();
        records.sort_unstable();
        (took, records, problems)
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let (took, records, problems) = in_parts(1);
        assert_eq!(took, (0..40).map(|number| (number % 20 != 7).then(|| number * number)).collect::<Vec<_>>());
        assert_eq!(records, (0..40).collect::<Vec<_>>());
        let said = |what: &str| problems.iter().position(|problem| problem.what.contains(what));
        assert!(said("gave up on a part") < said("8 0") && said("7 0") < said("gave up on a part"));
        // 0 to 19, what the seventh panicked of, and 20: 21 before the last 179 that are kept.
        assert!(said("20 178").is_some() && said("20 179").is_none());
        assert!(said("92 more problems").is_some(), "71 of part 20, 19 behind it, a panic and the impossible time");
        for threads in [2, 3, 8] {
            assert_eq!(in_parts(threads), (took.clone(), records.clone(), problems.clone()), "{threads} threads");
        }
    }

    #[test]
    fn what_cannot_be_cut_or_put_together_costs_the_same_on_any_number_of_threads() {
        for threads in [1, 4] {
            for (cut_fails, took_fails) in [(5, u64::MAX), (u64::MAX, 5)] {
                let each =
                    |work: &(dyn Fn() + Sync)| rayon::scope(|scope| (0..threads).for_each(|_| scope.spawn(|_| work())));
                let crew = Crew { threads, each: &each, is_stopped: &|| false };
                let mut nothing = |_| ();
                let mut sink = Sink::new("test", &mut nothing);
                sink.share(Some(Shared { crew: &crew, on_record: &|_| () }));
                let mut numbers = 0..40u64;
                let panicked = guarded(|| {
                    sink.in_parts(
                        || {
                            let number = numbers.next()?;
                            assert!(number != cut_fails, "it fails");
                            Some((Locator::Whole, number))
                        },
                        || (),
                        |number, (), _| number,
                        |number| assert!(number != Some(took_fails), "it fails"),
                    );
                });
                assert!(panicked.is_none(), "{threads} threads");
            }
        }
    }
}
