//! Findings that speak for an ordinary use.

use super::{Asked, Case, Found, anchors};
use evidence::{Confidence, Execution, Mode, UnknownKind};

/// The tool was asked for nothing that runs code of an assembly.
pub(crate) const NOEXEC: Asked = Asked { id: "B-NOEXEC", decide: noexec };

fn noexec(case: &Case<'_>, execution: &Execution) -> Found {
    let asked = match execution.mode {
        Mode::Usage => "it was asked for its usage text",
        Mode::Regfile => "it was asked to write a .reg file",
        Mode::Unknown => {
            return Found::unknown(UnknownKind::CouldHaveShown, "its command line is not known");
        }
        Mode::Register | Mode::Unregister | Mode::Invalid | Mode::CoplusInstall | Mode::CoplusUninstall => {
            let because = "its command line asks for something else than its usage text or a .reg file";
            return Found::absent(Confidence::Direct, because, anchors(execution));
        }
    };
    if let [effect, ..] = case.story.neighbourhood.effects_of(&execution.id) {
        let because = format!("{asked}, and yet it did more: {}", effect.what);
        return Found::absent(Confidence::Direct, because, vec![effect.citation.clone()]);
    }
    // A shown command line can be another one than that of the start; an exit status that fits it speaks against that.
    match execution.exit_code {
        Some(_) if execution.warnings.iter().any(|warning| warning.starts_with("exit_status")) => {
            let because = format!("{asked}, but its exit status does not fit that");
            Found::unknown(UnknownKind::NotObservable, because)
        }
        Some(_) => {
            Found::present(Confidence::Strong, format!("{asked}, and its exit status fits that"), anchors(execution))
        }
        None => Found::present(
            Confidence::Circumstantial,
            format!(
                "{asked}; its exit status is not recorded, and a process can show another command line than the one that it was started with"
            ),
            anchors(execution),
        ),
    }
}
