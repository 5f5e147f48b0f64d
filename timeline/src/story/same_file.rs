//! Whether the file now at a path is the one that was there when a tool ran.
//!
//! A file can be deleted and another one copied to its path, written over, renamed away, or have its times set back. Each
//! leaves a sign in some source and none in others, so a file is taken for the one that ran only where no source has a sign
//! and one that would have it was read for the time from the run to the collection.
//!
//! A file that was given the name of another within 15 seconds gets the times of its creation as well (tunnelling), and a
//! rename copies those of $`STANDARD_INFORMATION` to $`FILE_NAME`. So a time that is early proves nothing.
//!
//! Reference: Microsoft, *File System Tunneling in Windows*, *USN_RECORD_V2*.

use super::computers::Own;
use super::file_history::{Act, Change, FileHistory, FileRecord, Reference, item_of, reason};
use super::files::Files;
use super::source::Cited;
use crate::paths::{self, PathKey};
use crate::words::list;
use evidence::{Answer, Confidence, Filetime, Item, ItemId, JoinRule, Meaning, Method};

/// Most signs that are told.
const MOST_SIGNS: usize = 4;

/// Which file is asked about.
pub(super) struct Asked<'a> {
    /// Where the command line points.
    pub(super) path: &'a str,
    /// The stream of it that is meant.
    pub(super) stream: Option<&'a str>,
    /// The file that would be judged.
    pub(super) item: ItemId,
    /// When the tool started.
    pub(super) start: Filetime,
    /// What the list of the tool's prefetch file has of this path.
    pub(super) listed: Option<Listed>,
    /// Hash with which the load of the image is recorded.
    pub(super) loaded: Option<(String, Cited)>,
    pub(super) own: &'a Own,
}

impl<'a> Asked<'a> {
    /// The same of another file, about which the list and the load say nothing.
    pub(super) fn of(&self, item: ItemId) -> Asked<'a> {
        Asked {
            path: self.path,
            stream: self.stream,
            item,
            start: self.start,
            listed: None,
            loaded: None,
            own: self.own,
        }
    }
}

/// A file in the list of a prefetch file.
pub(super) struct Listed {
    /// Never empty.
    pub(super) references: Vec<Reference>,
    /// Whether the list is of this run, or of one before it: it is that of the newest run that opened the file.
    pub(super) is_of_run: bool,
    pub(super) cited: Cited,
}

/// The answer.
pub(super) struct Standing {
    pub(super) state: Answer,
    /// A clause.
    pub(super) because: String,
    pub(super) cited: Vec<Cited>,
}

/// The file that was there when the tool ran, where it is another than the one that is there now.
pub(super) struct Earlier {
    /// What became of it, a clause.
    pub(super) what: String,
    /// The collected object that has its content.
    pub(super) item: Option<ItemId>,
    pub(super) reference: Option<Reference>,
    /// When it left the path, where that is known.
    left: Option<Filetime>,
    /// Whether it is there under another name, and not deleted.
    pub(super) is_moved: bool,
    pub(super) cited: Vec<Cited>,
}

/// A path of a volume, and when the tool started.
struct Place<'a> {
    volume: &'a str,
    rest: &'a str,
    start: Filetime,
}

/// Something that happened after the run.
struct Sign {
    what: String,
    /// Whether it shows that the file is another, or has another content.
    is_proof: bool,
    cited: Cited,
}

/// What is known of a file that would be judged.
struct Candidate<'h> {
    item: std::borrow::Cow<'h, Item>,
    /// Its path behind the volume.
    rest: String,
    /// Both paths by which it is known.
    keys: Vec<PathKey>,
    reference: Option<Reference>,
    record: Option<&'h FileRecord>,
    times: Vec<(Meaning, Filetime)>,
}

fn strong(source: &super::source::Source) -> Cited {
    source.clone().by(JoinRule::J10, Confidence::Strong)
}

impl Files<'_> {
    /// Whether the collected file is the one that was there when the tool started.
    pub(super) fn is_same(&self, asked: &Asked<'_>) -> Option<Standing> {
        let candidate = self.candidate(asked)?;
        if let Some(standing) = by_hash(asked, &candidate, self.history()) {
            return Some(standing);
        }
        let (mut signs, soft) = self.signs(asked, &candidate);
        signs.extend(listed_other(asked, &candidate));
        if !signs.is_empty() {
            return Some(doubtful(signs));
        }
        let journal = self.journal(&candidate.item.volume, asked.start);
        if soft.is_empty() {
            return Some(self.shown_by(asked, &candidate, journal));
        }
        let mut standing = doubtful(soft);
        standing.because.push_str(match &journal {
            Some(_) => {
                ", and the change journal, which has every change since before the run, shows no change of its content \
                 or of a name on its path"
            }
            None => {
                ", and no change journal that reaches back to the run was read, which would show whether that was a change of \
                 its content or of a name on its path"
            }
        });
        if let Some(journal) = journal {
            standing.state = Answer::Yes;
            standing.cited.push(journal);
        }
        Some(standing)
    }

    /// What would show that the file was replaced, and does not.
    fn shown_by(&self, asked: &Asked<'_>, candidate: &Candidate<'_>, journal: Option<Cited>) -> Standing {
        let (mut by, mut cited) = (Vec::new(), Vec::new());
        let is_listed = asked.listed.as_ref().filter(|listed| {
            listed.is_of_run && candidate.reference.is_some_and(|own| listed.references.contains(&own))
        });
        let end = self.end_of(asked, candidate);
        if let Some((at, end)) = end.as_ref() {
            by.push(format!("it was deleted after the run, at {}", at.in_words()));
            cited.push(end.clone());
        } else if candidate.item.recovery.is_some() && is_listed.is_none() {
            // Its record says nothing of when it was deleted.
            return Standing {
                state: Answer::Unknown,
                because: "nothing that was read shows that it was deleted after the run and not before".to_owned(),
                cited,
            };
        }
        let is_shown = by.len();
        let has = |wanted| candidate.times.iter().any(|(meaning, _)| *meaning == wanted);
        let is_access = |meaning: Meaning| [Meaning::SI_ACCESSED, Meaning::FN_ACCESSED].contains(&meaning);
        let mut times = candidate.times.iter().filter(|(meaning, _)| !is_access(*meaning));
        // A shadow copy has the times of a moment that may lie before the run.
        if has(Meaning::SI_CHANGED)
            && has(Meaning::FN_CREATED)
            && candidate.item.method != Method::ShadowCopy
            && times.all(|(_, at)| *at <= asked.start)
        {
            by.push("its file record says that it was made, changed and named before the run".to_owned());
            cited.extend(candidate.record.map(|record| strong(&record.source)));
        }
        if let Some(journal) = journal {
            let until = if end.is_some() { " before that" } else { "" };
            by.push(format!("the change journal, which has every change since before the run, has none of it{until}"));
            cited.push(journal);
        }
        if let Some(listed) = is_listed {
            by.push("it has the file record and sequence number of the file that the prefetch file lists".to_owned());
            cited.push(listed.cited.clone());
        }
        if by.len() == is_shown {
            return Standing {
                state: Answer::Unknown,
                because: "nothing that was read would show whether another file was put there since: neither the times of \
                          its file record, nor a change journal that reaches back to the run, nor a prefetch file with its \
                          file reference"
                    .to_owned(),
                cited,
            };
        }
        Standing { state: Answer::Yes, because: by.join(", and "), cited }
    }

    /// The change journal that has every change of a volume since the run.
    fn journal(&self, volume: &str, start: Filetime) -> Option<Cited> {
        let reach = self.history().journal_since(volume, start);
        reach.filter(|_| self.traces_left_out == 0).map(|reach| strong(&reach.source))
    }

    fn candidate(&self, asked: &Asked<'_>) -> Option<Candidate<'_>> {
        let item = self.items().by_id(asked.item)?;
        let own = PathKey::new(paths::split_stream(&item.original_path).0);
        let asked_for = PathKey::new(paths::split_stream(asked.path).0);
        let history = self.history();
        let is_there = item.recovery.is_none();
        let by_path =
            || history.records_at(&item.volume, &own.rest).into_iter().find(|record| record.in_use && is_there);
        let reference = Reference::of_item(&item);
        let record = match reference {
            Some(reference) => history.record_of(&item.volume, reference),
            None => by_path(),
        };
        let mut times: Vec<(Meaning, Filetime)> = record.map(|record| record.times.clone()).unwrap_or_default();
        if times.is_empty() {
            times = times_of(&item);
        }
        let reference = reference.or(record.map(|record| record.reference));
        Some(Candidate { rest: own.rest.clone(), keys: vec![own, asked_for], reference, record, times, item })
    }

    /// What happened after the run by which the file may be another, and a change of the record that need not be one.
    fn signs(&self, asked: &Asked<'_>, candidate: &Candidate<'_>) -> (Vec<Sign>, Vec<Sign>) {
        let (mut signs, mut soft) = self.signs_in_times(asked, candidate, true);
        let end = self.end_of(asked, candidate);
        let until = end.as_ref().map(|(at, _)| *at);
        signs.extend(self.signs_in_journal(asked, candidate, until));
        let (of_folders, unclear) = self.signs_of_folders(asked, candidate);
        signs.extend(of_folders);
        soft.extend(unclear);
        signs.extend(self.signs_in_logs(asked, candidate, until));
        (signs, soft)
    }

    /// When a deleted file was deleted, if that is recorded and was after the run. What happened at its path later is nothing
    /// of it.
    fn end_of(&self, asked: &Asked<'_>, candidate: &Candidate<'_>) -> Option<(Filetime, Cited)> {
        candidate.item.recovery?;
        let (volume, history) = (candidate.item.volume.as_str(), self.history());
        let changes = history.changes_after((volume, asked.start), "", candidate.reference);
        let deleted = changes.iter().find(|change| change.fresh & reason::DELETE != 0);
        if let Some(deleted) = deleted {
            return Some((deleted.at, strong(&deleted.source)));
        }
        if candidate.reference.is_some() && self.journal(volume, asked.start).is_some() {
            // The journal would have it: a deletion that another source records is that of a later file.
            return None;
        }
        let acts = candidate.keys.iter().flat_map(|key| history.acts_on(key));
        let is_end = |act: &&Act| act.deleted && act.stream.is_none() && act.at > asked.start;
        let act = acts.filter(is_end).filter(|act| !asked.own.is_other(&act.computer)).min_by_key(|act| act.at)?;
        Some((act.at, strong(&act.source)))
    }

    /// `with_name`: whether the times of its name count, which it gets anew when it is renamed.
    fn signs_in_times(&self, asked: &Asked<'_>, candidate: &Candidate<'_>, with_name: bool) -> (Vec<Sign>, Vec<Sign>) {
        let cited = match (candidate.record, self.facts_of(asked.item)) {
            (Some(record), _) => strong(&record.source),
            (None, Some((_, Some(source)))) => strong(&source),
            (None, _) => return (Vec::new(), Vec::new()),
        };
        let (mut signs, mut soft) = (Vec::new(), Vec::new());
        for (meaning, at) in candidate.times.iter().filter(|(_, at)| *at > asked.start) {
            let when = at.in_words();
            let (what, is_proof) = match *meaning {
                Meaning::FN_CREATED => (format!("its file record says that it was made at {when} ($FILE_NAME)"), true),
                Meaning::SI_CREATED => {
                    (format!("its file record says that it was made at {when} ($STANDARD_INFORMATION)"), false)
                }
                Meaning::SI_MODIFIED => (format!("its content was changed at {when}, as its file record says"), false),
                Meaning::FN_MODIFIED | Meaning::FN_CHANGED if with_name => {
                    (format!("it was given its name later than {when}, as its file record says ($FILE_NAME)"), true)
                }
                Meaning::SI_CHANGED => {
                    let what = format!("its file record was changed at {when}");
                    soft.push(Sign { what, is_proof: false, cited: cited.clone() });
                    continue;
                }
                _ => continue,
            };
            signs.push(Sign { what, is_proof, cited: cited.clone() });
        }
        (signs, soft)
    }

    /// What the change journal has of it after the run, until a deleted file was deleted.
    fn signs_in_journal(&self, asked: &Asked<'_>, candidate: &Candidate<'_>, until: Option<Filetime>) -> Vec<Sign> {
        let stream = if asked.stream.is_some() { reason::STREAM } else { 0 };
        let volume = (candidate.item.volume.as_str(), asked.start);
        let changes = self.history().changes_after(volume, &candidate.rest, candidate.reference);
        let sign = |change: &Change| {
            let is_file = candidate.reference == Some(change.reference);
            let is_path = change.rest.as_ref().is_none_or(|rest| *rest == candidate.rest);
            let counts = if is_path { reason::NAME | reason::DATA | stream } else { reason::DATA | stream };
            let what = words_of(change.fresh & counts)?;
            let of = match (&change.rest, is_path, is_file) {
                (None, ..) => "a file of this name, whose folder is not known,",
                (_, true, true) => "it",
                (_, true, false) if candidate.reference.is_some() => "another file of this path",
                (_, true, false) => "the file of this path",
                (_, false, _) => "it, under another name,",
            };
            Some(Sign {
                what: format!("the change journal shows that {of} {what} at {}", change.at.in_words()),
                is_proof: change.rest.is_some(),
                cited: strong(&change.source),
            })
        };
        let is_before = |change: &&Change| until.is_none_or(|until| change.at < until);
        changes.into_iter().filter(is_before).filter_map(sign).collect()
    }

    /// That a folder of the path was renamed or another: then the path led to another file before. And what may be that: its
    /// record was made, or changed without a change of what is in it, after the run.
    fn signs_of_folders(&self, asked: &Asked<'_>, candidate: &Candidate<'_>) -> (Vec<Sign>, Vec<Sign>) {
        let (volume, mut signs, mut soft) = (candidate.item.volume.as_str(), Vec::new(), Vec::new());
        let mut folder = candidate.rest.as_str();
        // The path of a deleted file is that of its folder today, whatever that was called.
        while let Some((above, _)) = folder.rsplit_once('\\').filter(|(above, _)| !above.is_empty())
            && candidate.item.recovery.is_none()
        {
            folder = above;
            for change in self.history().changes_after((volume, asked.start), folder, None) {
                let Some(what) = words_of(change.fresh & reason::NAME).filter(|_| change.rest.is_some()) else {
                    continue;
                };
                let at = change.at.in_words();
                signs.push(Sign {
                    what: format!("the change journal shows that the folder {folder} {what} at {at}"),
                    is_proof: true,
                    cited: strong(&change.source),
                });
            }
            let records = self.history().records_at(volume, folder);
            soft.extend(records.into_iter().filter_map(|record| made_or_renamed(record, asked.start)));
        }
        (signs, soft)
    }

    /// What processes did to the file of this path, at most until `until`.
    fn signs_in_logs(&self, asked: &Asked<'_>, candidate: &Candidate<'_>, until: Option<Filetime>) -> Vec<Sign> {
        let mut signs: Vec<(Filetime, Sign)> = Vec::new();
        for key in &candidate.keys {
            for act in self.history().acts_on(key) {
                let is_of_it = act
                    .stream
                    .as_deref()
                    .is_none_or(|one| asked.stream.is_some_and(|stream| stream.eq_ignore_ascii_case(one)));
                let is_later = act.at > asked.start && until.is_none_or(|until| act.at <= until);
                let is_own_end = act.deleted && candidate.item.recovery.is_some();
                if !is_of_it || !is_later || is_own_end || asked.own.is_other(&act.computer) {
                    continue;
                }
                let what = format!("{} at {}", act.what, act.at.in_words());
                let sign = Sign { what, is_proof: act.deleted, cited: strong(&act.source) };
                if !signs.iter().any(|(_, one)| one.cited == sign.cited) {
                    signs.push((act.at, sign));
                }
            }
        }
        signs.sort_by_key(|(at, _)| *at);
        signs.into_iter().map(|(_, sign)| sign).collect()
    }
}

/// That a folder was made, or may have got its name, after `start`. What is put into a folder changes its content and its
/// record at once; a rename changes the record alone.
fn made_or_renamed(folder: &FileRecord, start: Filetime) -> Option<Sign> {
    if !folder.in_use || !folder.is_folder {
        return None;
    }
    let time = |wanted| folder.times.iter().find(|(meaning, _)| *meaning == wanted).map(|(_, at)| *at);
    let made = [Meaning::FN_CREATED, Meaning::SI_CREATED].into_iter().filter_map(time).find(|at| *at > start);
    let changed = time(Meaning::SI_CHANGED).filter(|at| *at > start && Some(*at) > time(Meaning::SI_MODIFIED));
    let (words, at) = made.map(|at| ("made", at)).or(changed.map(|at| ("changed", at)))?;
    Some(Sign {
        what: format!("the record of its folder {} was {words} at {}", folder.path, at.in_words()),
        is_proof: false,
        cited: strong(&folder.source),
    })
}

/// What the bits of a change say, as the end of a sentence.
fn words_of(fresh: u16) -> Option<String> {
    let words = [
        (reason::CREATE, "was made"),
        (reason::DELETE, "was deleted"),
        (reason::RENAME_OLD, "was renamed"),
        (reason::RENAME_NEW, "was given this name"),
        (reason::LINK, "got or lost a hard link"),
        (reason::REPARSE, "became or ceased to be a link"),
        (reason::DATA, "was written"),
        (reason::STREAM, "had a stream of it written"),
    ];
    let said: Vec<&str> = words.into_iter().filter(|(bits, _)| fresh & bits != 0).map(|(_, words)| words).collect();
    (!said.is_empty()).then(|| list(&said))
}

/// The times by which the file system says when a collected file was made and changed.
fn times_of(item: &Item) -> Vec<(Meaning, Filetime)> {
    let of = |macb: Option<evidence::Macb>, meanings: [Meaning; 3]| {
        let times = macb.map(|macb| [macb.born, macb.modified, macb.changed]).unwrap_or_default();
        meanings.into_iter().zip(times).filter_map(|(meaning, at)| Some((meaning, at?)))
    };
    let standard = of(item.times.si, [Meaning::SI_CREATED, Meaning::SI_MODIFIED, Meaning::SI_CHANGED]);
    let name = of(item.times.file_name, [Meaning::FN_CREATED, Meaning::FN_MODIFIED, Meaning::FN_CHANGED]);
    standard.chain(name).filter(|(_, at)| at.is_possible()).collect()
}

/// What a recorded hash of the file says.
fn by_hash(asked: &Asked<'_>, candidate: &Candidate<'_>, history: &FileHistory) -> Option<Standing> {
    let own = candidate.item.cited_sha256();
    if let Some((sha256, cited)) = &asked.loaded {
        let is_same = sha256.eq_ignore_ascii_case(own);
        let words = if is_same { "with the SHA-256 that it has" } else { "with another SHA-256, " };
        let which = if is_same { "" } else { sha256 };
        return Some(Standing {
            state: if is_same { Answer::Yes } else { Answer::No },
            because: format!("the load of the image is recorded {words}{which}"),
            cited: vec![cited.clone()],
        });
    }
    let mut acts: Vec<_> = candidate.keys.iter().flat_map(|key| history.acts_on(key)).collect();
    acts.retain(|act| act.stream.is_none() && !asked.own.is_other(&act.computer));
    acts.sort_by_key(|act| act.at);
    let later = acts.partition_point(|act| act.at <= asked.start);
    // The hash of what was done to it last before the run, or that of the file which was the first to be deleted after it.
    let before = acts[..later].last().filter(|act| !act.deleted && act.sha256.is_some());
    let after = acts.get(later).filter(|act| act.deleted && act.sha256.is_some());
    let other = [before, after]
        .into_iter()
        .flatten()
        .find(|act| act.sha256.as_deref().is_some_and(|sha256| !sha256.eq_ignore_ascii_case(own)))?;
    let sha256 = other.sha256.as_deref().unwrap_or_default();
    Some(Standing {
        state: Answer::No,
        because: format!("{} at {}, with another SHA-256, {sha256}", other.what, other.at.in_words()),
        cited: vec![strong(&other.source)],
    })
}

/// That the prefetch file lists another file of this path.
fn listed_other(asked: &Asked<'_>, candidate: &Candidate<'_>) -> Option<Sign> {
    let (listed, own) = (asked.listed.as_ref()?, candidate.reference?);
    let first = listed.references.first().filter(|_| !listed.references.contains(&own))?;
    Some(Sign {
        what: format!(
            "the prefetch file of the tool lists the file of this path with the file record {first}, and this one has {own}"
        ),
        is_proof: listed.is_of_run,
        cited: listed.cited.clone(),
    })
}

fn doubtful(mut signs: Vec<Sign>) -> Standing {
    let is_other = signs.iter().any(|sign| sign.is_proof);
    // What proves it comes first; the order of time stays otherwise.
    signs.sort_by_key(|sign| !sign.is_proof);
    let left_out = signs.len().saturating_sub(MOST_SIGNS);
    signs.truncate(MOST_SIGNS);
    let mut because = signs.iter().map(|sign| sign.what.as_str()).collect::<Vec<_>>().join("; ");
    if left_out > 0 {
        because.push_str(&format!("; and {left_out} more such signs after the run"));
    }
    let mut cited: Vec<Cited> = Vec::new();
    for sign in signs {
        if !cited.contains(&sign.cited) {
            cited.push(sign.cited);
        }
    }
    Standing { state: if is_other { Answer::No } else { Answer::Unknown }, because, cited }
}

impl Files<'_> {
    /// The file that was at the path when the tool started, where the one that is there now is another.
    pub(super) fn earlier(&self, asked: &Asked<'_>) -> Option<Earlier> {
        let candidate = self.candidate(asked)?;
        let place = Place { volume: &candidate.item.volume, rest: &candidate.rest, start: asked.start };
        let listed = asked.listed.as_ref().filter(|_| candidate.reference.is_some());
        let is_other = |listed: &&Listed| candidate.reference.is_none_or(|own| !listed.references.contains(&own));
        self.earlier_in_journal(&place)
            .or_else(|| self.earlier_in_prefetch(&place, listed.filter(is_other)?))
            .or_else(|| self.earlier_recovered(asked, &candidate))
    }

    /// The file that was at a path where no file is now, on whichever volume can be meant.
    pub(super) fn moved_away(&self, path: &str, start: Filetime, listed: Option<&Listed>) -> Option<Earlier> {
        let key = PathKey::new(paths::split_stream(path).0);
        let volumes = self.history().volumes_of(&key);
        volumes.into_iter().find_map(|volume| {
            let place = Place { volume, rest: &key.rest, start };
            self.earlier_in_journal(&place).or_else(|| self.earlier_in_prefetch(&place, listed?))
        })
    }

    /// The collected object with the content of a file of a volume.
    fn collected(&self, volume: &str, reference: Reference) -> Option<ItemId> {
        item_of(self.items(), self.by_record(), volume, reference).or_else(|| {
            // An object from a folder or an archive has no number of its own.
            let record = self.history().record_of(volume, reference).filter(|record| record.in_use)?;
            let found = self.find(&record.path)?;
            self.items().by_id(found.item).filter(|item| item.volume == volume && item.mft_entry.is_none())?;
            Some(found.item)
        })
    }

    /// The first file that leaves the path after the run was there during it.
    fn earlier_in_journal(&self, place: &Place<'_>) -> Option<Earlier> {
        let Place { volume, rest, start } = *place;
        self.journal(volume, start)?;
        let history = self.history();
        let at_path = |change: &&Change| change.rest.as_deref() == Some(rest) && change.fresh & reason::NAME != 0;
        let changes = history.changes_after((volume, start), rest, None);
        let first = changes.into_iter().find(at_path)?;
        if first.fresh & (reason::DELETE | reason::RENAME_OLD) == 0 || first.fresh & reason::CREATE != 0 {
            return None;
        }
        let reference = first.reference;
        let mut cited = vec![strong(&first.source)];
        let mut what = format!("was deleted at {}", first.at.in_words());
        if first.fresh & reason::RENAME_OLD != 0 {
            let later = history.changes_after((volume, start), "", Some(reference));
            let named = later.iter().rfind(|change| change.fresh & reason::RENAME_NEW != 0);
            let to =
                history.record_of(volume, reference).filter(|record| record.in_use).map(|record| record.path.clone());
            let name = to.or_else(|| named.and_then(|change| change.new_path.clone()));
            let to = name.map(|name| format!(" and is {name} now")).unwrap_or_default();
            what = format!("was renamed at {}{to}", first.at.in_words());
            cited.extend(named.map(|change| strong(&change.source)));
        }
        let item = self.collected(volume, reference);
        Some(Earlier {
            what,
            item,
            reference: Some(reference),
            left: Some(first.at),
            is_moved: first.fresh & reason::RENAME_OLD != 0,
            cited,
        })
    }

    /// The file that the prefetch file lists.
    fn earlier_in_prefetch(&self, place: &Place<'_>, listed: &Listed) -> Option<Earlier> {
        let reference = *listed.references.first().filter(|_| listed.is_of_run)?;
        let volume = place.volume;
        let record = self.history().record_of(volume, reference);
        let what = match record {
            Some(record) if record.in_use => format!("is {} now", record.path),
            Some(_) => "was deleted".to_owned(),
            None => return None,
        };
        let cited = record.map(|record| strong(&record.source)).into_iter().chain([listed.cited.clone()]).collect();
        Some(Earlier {
            what,
            item: self.collected(volume, reference),
            reference: Some(reference),
            left: None,
            is_moved: record.is_some_and(|record| record.in_use),
            cited,
        })
    }

    /// A deleted file of this path that was made before the run.
    fn earlier_recovered(&self, asked: &Asked<'_>, candidate: &Candidate<'_>) -> Option<Earlier> {
        let found = self.deleted_at(&candidate.keys[0]).into_iter().find(|item| {
            let times = times_of(item);
            item.id != asked.item && !times.is_empty() && times.iter().all(|(_, at)| *at <= asked.start)
        })?;
        let record = Reference::of_item(&found).and_then(|own| self.history().record_of(&found.volume, own));
        Some(Earlier {
            what: "was deleted".to_owned(),
            item: Some(found.id),
            reference: None,
            left: None,
            is_moved: false,
            cited: record.map(|record| strong(&record.source)).into_iter().collect(),
        })
    }

    /// Whether the content of an earlier file is the one that it had when the tool started.
    pub(super) fn is_unchanged(&self, asked: &Asked<'_>, earlier: &Earlier) -> Option<Standing> {
        let candidate = self.candidate(asked)?;
        if let Some(standing) = by_hash(asked, &candidate, self.history()).filter(|one| one.state == Answer::Yes) {
            return Some(standing);
        }
        if earlier.reference.is_none() {
            return Some(Standing {
                state: Answer::Unknown,
                because: "it was there before the run, and nothing that was read shows when it was deleted".to_owned(),
                cited: Vec::new(),
            });
        }
        // That it was renamed changes its record and gives its name new times, so these say nothing here.
        let (mut signs, _) = self.signs_in_times(asked, &candidate, false);
        let volume = candidate.item.volume.as_str();
        for change in self.history().changes_after((volume, asked.start), "", candidate.reference) {
            signs.extend(words_of(change.fresh & reason::DATA).map(|what| Sign {
                what: format!("the change journal shows that it {what} at {}", change.at.in_words()),
                is_proof: true,
                cited: strong(&change.source),
            }));
        }
        let at_path = Candidate { keys: vec![PathKey::new(paths::split_stream(asked.path).0)], ..candidate };
        let written = self.signs_in_logs(asked, &at_path, earlier.left);
        signs.extend(written.into_iter().filter(|sign| !sign.is_proof));
        if !signs.is_empty() {
            return Some(doubtful(signs));
        }
        Some(Standing {
            state: Answer::Yes,
            because: "it is the file that was there during the run, and no change of its content since is recorded"
                .to_owned(),
            cited: earlier.cited.clone(),
        })
    }
}

impl Standing {
    /// Why what is in the file says nothing certain about the run, if so; as a sentence without its full stop.
    pub(super) fn doubt(&self, is_earlier: bool) -> Option<String> {
        let because = &self.because;
        match (self.state, is_earlier) {
            (Answer::Yes, _) => None,
            (_, true) => {
                Some(format!("Whether the earlier file that is judged is what the tool ran is not known: {because}"))
            }
            (Answer::No, false) => Some(format!("The file now at that path does not answer for the run: {because}")),
            (Answer::Unknown, false) => {
                Some(format!("Whether the file now at that path is the one that ran is not known: {because}"))
            }
        }
    }
}
