//! Findings about what the tool was asked to do.

use super::{Asked, Case, Found, anchors};
use crate::paths::{self, Form};
use evidence::{AssemblyState, Confidence, Execution, Mode, UnknownKind};

/// The assembly lies where ordinary users can write.
pub(crate) const WRITABLE: Asked = Asked { id: "F-CMD-WRITABLE", decide: writable };

fn writable(case: &Case<'_>, execution: &Execution) -> Found {
    let assembly = &execution.assembly;
    if matches!(execution.mode, Mode::Usage) && assembly.argument.is_none() {
        return Found::absent(Confidence::Direct, "the command line names no assembly", anchors(execution));
    }
    let Some(path) = assembly.resolved_path.as_deref() else {
        return Found::unknown(
            UnknownKind::CouldHaveShown,
            format!("where the assembly lay is not known: {}", assembly.resolution),
        );
    };
    if assembly.state == AssemblyState::Remote || paths::form(path) == Form::Unc {
        let because = format!("{path} is on another computer");
        return Found::absent(Confidence::Direct, because, anchors(execution));
    }
    let Some(place) = case.rules.place_of(&paths::after_volume(path)) else {
        return Found::unknown(UnknownKind::NotSupplied, format!("the rules have no place for {path}"));
    };
    // A path that was put together from a folder that nobody recorded, or one of several that could be meant, need not be
    // the right one.
    let is_written_out = assembly.argument.as_deref().is_some_and(|argument| paths::form(argument) == Form::Drive);
    let is_sole =
        assembly.candidates.is_empty() && (assembly.sha256.is_some() || execution.current_directory.is_some());
    let class = if is_written_out || is_sole { Confidence::Strong } else { Confidence::Circumstantial };
    let says = &place.says;
    let because = match place.user_writable {
        true => format!(
            "{path} is in {says}, where Windows lets ordinary users write unless somebody changes it; the permissions of the folder were not read"
        ),
        false => format!(
            "{path} is in {says}, where Windows lets only administrators write unless somebody changes it; the permissions of the folder were not read"
        ),
    };
    match place.user_writable {
        true => Found::present(class, because, anchors(execution)),
        false => Found::absent(class, because, anchors(execution)),
    }
}
