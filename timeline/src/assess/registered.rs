//! Where the file lies that a COM registration names.

use super::Case;
use crate::paths::{self, Form};
use evidence::{Loads, Registration};

/// The file that COM would load for a class: the one that the registration names, else a collected assembly that has this
/// class. `None` where neither is known.
pub(super) fn loads(case: &Case<'_>, registration: &Registration) -> Option<Loads> {
    let named = registration.code_base.as_deref().map(|text| paths::from_file_url(text).unwrap_or(text.to_owned()));
    let collected = || {
        let is_its = |hash: &String| registration.assemblies.contains(hash);
        case.story.assemblies.iter().find(|file| is_its(&file.sha256)).map(|file| file.path.clone())
    };
    let path = named.or_else(collected)?;
    let elsewhere = |place: &str| Some(Loads { path: path.clone(), place: place.to_owned(), user_writable: None });
    match paths::form(&path) {
        Form::Unc => return elsewhere("a share, of this computer or of another one"),
        Form::Url => return elsewhere("a place that is reached by a network"),
        Form::Drive | Form::Volume | Form::Rooted => {}
        // Which folder it means is not known.
        Form::Empty | Form::DriveRelative | Form::Relative | Form::Device => return None,
    }
    let place = case.rules.place_of(&paths::after_volume(&path))?;
    Some(Loads { path, place: place.says.clone(), user_writable: Some(place.user_writable) })
}
