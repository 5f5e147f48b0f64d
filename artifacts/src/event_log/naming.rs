//! What the values of an event are called in records, as docs/records.md says.

use crate::formats::evtx::{Label, Part, Place};
use evidence::{Field, FieldName, Role};

/// Values that every event has: the element, its attribute, and the field.
const SYSTEM: [(&str, Option<&str>, Field); 17] = [
    ("Provider", Some("Name"), Field::text("System.Provider", "name of the provider").role(Role::Provider)),
    ("Provider", Some("Guid"), Field::text("System.ProviderGuid", "its GUID")),
    ("Provider", Some("EventSourceName"), Field::text("System.EventSourceName", "its name as an event source")),
    ("EventID", None, Field::text("System.EventID", "number of the event").role(Role::EventId)),
    ("EventID", Some("Qualifiers"), Field::text("System.Qualifiers", "high half of that number, of older providers")),
    ("Version", None, Field::text("System.Version", "version of the event")),
    ("Level", None, Field::text("System.Level", "level, 1 critical to 5 verbose")),
    ("Task", None, Field::text("System.Task", "task")),
    ("Opcode", None, Field::text("System.Opcode", "opcode")),
    ("Keywords", None, Field::text("System.Keywords", "keywords, a bit mask")),
    ("EventRecordID", None, Field::text("System.EventRecordID", "number of the record").role(Role::RecordNumber)),
    ("Correlation", Some("ActivityID"), Field::text("System.ActivityID", "activity that it belongs to")),
    ("Execution", Some("ProcessID"), Field::text("System.ProcessID", "number of the process that logged")),
    ("Execution", Some("ThreadID"), Field::text("System.ThreadID", "number of the thread that logged")),
    ("Channel", None, CHANNEL),
    ("Computer", None, Field::text("System.Computer", "the computer that logged").role(Role::Computer)),
    ("Security", Some("UserID"), Field::text("System.UserID", "the account that logged")),
];

/// The channel of an event.
pub(super) const CHANNEL: Field = Field::text("System.Channel", "channel of the event").role(Role::Channel);

/// The fields that every event has.
pub(super) const FIELDS: &[Field] = &{
    let mut fields = [CHANNEL; SYSTEM.len()];
    let mut at = 0;
    while at < fields.len() {
        fields[at] = SYSTEM[at].2;
        at += 1;
    }
    fields
};

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
                Some((.., field)) => Label::Named(field.name.into()),
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
