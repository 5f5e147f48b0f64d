//! Runs an artifact's parser over one object so that nothing it does can end the run.

use evidence::{Artifact, Input, Problem, ProblemKind, Record, Sink, guarded};

/// Parses one object. Records go to `on_record` as they come; a panic becomes a problem and costs the
/// records that would have followed.
pub(crate) fn parse(artifact: &Artifact, input: &Input<'_>, on_record: &mut dyn FnMut(Record)) -> Vec<Problem> {
    let mut sink = Sink::new(input.original_path, on_record);
    if guarded(|| (artifact.parse)(input, &mut sink)).is_none() {
        sink.problem(
            ProblemKind::ParserPanicked,
            None,
            format!("the parser of {} gave up on this object", artifact.title),
            "records that stand behind the place where it stopped are missing",
        );
    }
    sink.finish()
}

/// Keeps the default panic message off the terminal: panics inside parsers are reported as problems. A panic
/// outside of one still ends the program, with this line.
pub(crate) fn install_panic_hook() {
    std::panic::set_hook(Box::new(|panic| {
        PANICS.lock().push(panic.to_string());
    }));
}

/// What panicked so far, for `--verbose` and for the line that ends a program that could not go on.
pub(crate) fn panics() -> Vec<String> {
    PANICS.lock().clone()
}

static PANICS: parking_lot::Mutex<Vec<String>> = parking_lot::Mutex::new(Vec::new());
