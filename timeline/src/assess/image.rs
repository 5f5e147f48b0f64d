//! Findings about the program that ran.

use super::{Asked, Case, Found, anchors};
use crate::paths::PathKey;
use crate::story::in_framework;
use evidence::{Confidence, Execution, Identified, Identity, UnknownKind};

/// The tool ran outside of a .NET framework folder.
pub(crate) const PATH: Asked = Asked { id: "F-IMG-PATH", decide: path };

fn path(_: &Case<'_>, execution: &Execution) -> Found {
    let image = &execution.image;
    if !image.contains('\\') {
        let because = "no record has the path of the program, only its name";
        return Found::unknown(UnknownKind::CouldHaveShown, because);
    }
    let recorded = match execution.identified {
        Identified::Full => Confidence::Direct,
        Identified::Anonymous => Confidence::Strong,
    };
    if in_framework(&PathKey::new(image)) {
        return Found::absent(recorded, format!("it ran from {image}, a .NET framework folder"), anchors(execution));
    }
    // Where only a name or the file's own word says that it is the tool, the evidence is no more than consistent with it.
    let (class, unproven) = match execution.identity {
        Identity::Proven => (recorded, ""),
        Identity::ByPath | Identity::ByName => (Confidence::Circumstantial, "; that it is the tool is not proven"),
    };
    let because = format!("it ran from {image}, which is no .NET framework folder{unproven}");
    Found::present(class, because, anchors(execution))
}
