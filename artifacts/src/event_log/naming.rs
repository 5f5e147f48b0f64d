//! What the values of an event are called in records, as docs/records.md says.

use crate::formats::evtx::{Label, Part, Place};
use evidence::FieldName;

/// Names that every event has, so that they need not be made for each record.
const SYSTEM: [(&str, Option<&str>, &str); 17] = [
    ("Provider", Some("Name"), "System.Provider"),
    ("Provider", Some("Guid"), "System.ProviderGuid"),
    ("Provider", Some("EventSourceName"), "System.EventSourceName"),
    ("EventID", None, "System.EventID"),
    ("EventID", Some("Qualifiers"), "System.Qualifiers"),
    ("Version", None, "System.Version"),
    ("Level", None, "System.Level"),
    ("Task", None, "System.Task"),
    ("Opcode", None, "System.Opcode"),
    ("Keywords", None, "System.Keywords"),
    ("EventRecordID", None, "System.EventRecordID"),
    ("Story", Some("ActivityID"), "System.ActivityID"),
    ("Execution", Some("ProcessID"), "System.ProcessID"),
    ("Execution", Some("ThreadID"), "System.ThreadID"),
    ("Channel", None, "System.Channel"),
    ("Computer", None, "System.Computer"),
    ("Security", Some("UserID"), "System.UserID"),
];

/// The label of a place. The time of recording is a moment of the record and no field.
pub(super) fn label(place: &Place<'_>) -> Label {
    let named = |name: &str| Label::Named(FieldName::kept(name));
    match (place.part, place.attribute) {
        (_, Some(attribute)) if attribute == "xmlns" || attribute.starts_with("xmlns:") => Label::Skip,
        (Part::Root | Part::Event, _) => Label::Skip,
        (Part::System, attribute) => {
            if place.element == "TimeCreated" {
                return Label::Skip;
            }
            match SYSTEM.iter().find(|(element, of, _)| *element == place.element && *of == attribute) {
                Some((.., name)) => Label::Named((*name).into()),
                None => named(&format!("System.{}", attribute.unwrap_or(place.element))),
            }
        }
        (Part::Rendering, None) => named(&format!("RenderingInfo.{}", place.element)),
        (Part::Rendering, Some(attribute)) => named(&format!("RenderingInfo.{}.{attribute}", place.element)),
        (Part::Data, Some(attribute)) => named(&format!("{}.{attribute}", place.element)),
        (Part::Data, None) => match place.name {
            Some(name) => named(name),
            None if place.element == "Data" => Label::Numbered,
            None => named(place.element),
        },
    }
}
