//! The fields of the registrations' records.

use evidence::{Field, Role};

// Values that a managed registration has beside the default value; Windows has the same names for them.
pub(super) const CLASS: Field = Field::text("Class", "full name of the class").role(Role::Class);
pub(super) const ASSEMBLY: Field = Field::text("Assembly", "display name of its assembly").role(Role::AssemblyName);
pub(super) const RUNTIME_VERSION: Field =
    Field::text("RuntimeVersion", "version of the runtime").role(Role::RuntimeVersion);
pub(super) const CODE_BASE: Field =
    Field::text("CodeBase", "where the assembly is to be loaded from").role(Role::CodeBase);
pub(super) const MANAGED: [Field; 4] = [CLASS, ASSEMBLY, RUNTIME_VERSION, CODE_BASE];

pub(super) const VERSION: Field = Field::text("Version", "assembly version, the name of the key").role(Role::Version);
pub(super) const SERVER: Field = Field::text("Server", "default value").role(Role::Server);
pub(super) const LAST_WRITTEN: Field = Field::time("LastWritten", "when the key was last changed");
/// And every further value of the version key.
const VERSION_FIELDS: &[Field] = &[VERSION, CLASS, ASSEMBLY, RUNTIME_VERSION, CODE_BASE, SERVER, LAST_WRITTEN];

pub(super) const CLSID: Field = Field::text("Clsid", "class id, upper case in braces").role(Role::ClassId);
pub(super) const VIEW: Field = Field::text("View", "`64`, `32`, `user`").role(Role::View);
pub(super) const NAME: Field = Field::text("Name", "default value of the CLSID key").role(Role::Name);
pub(super) const THREADING_MODEL: Field = Field::text("ThreadingModel", "threading model").role(Role::ThreadingModel);
pub(super) const PROG_ID: Field = Field::text("ProgId", "programmatic identifier").role(Role::ProgId);
pub(super) const CATEGORIES: Field =
    Field::list("Categories", "implemented categories, spelling kept").role(Role::Categories);
pub(super) const TYPE_LIB: Field = Field::text("TypeLib", "id of the type library");
pub(super) const APP_ID: Field = Field::text("AppId", "id of the COM application");
pub(super) const TREAT_AS: Field = Field::text("TreatAs", "class that stands in for it");
pub(super) const VERSIONS: Field = Field::maps(
    "Versions",
    VERSION_FIELDS,
    "subkeys for assembly versions, with every further value of the version key",
)
.role(Role::Versions);
pub(super) const OTHER: Field =
    Field::map("Other", &[], "every further value of InprocServer32, or of the version key");
pub(super) const STATE: Field =
    Field::text("State", "`current`, `log_only`, `before_log`, `deleted`").role(Role::State);
pub(super) const KEY: Field = Field::text("Key", "path of the key in the hive");
pub(super) const CLASS_FIELDS: &[Field] = &[
    CLSID,
    VIEW,
    NAME,
    SERVER,
    CLASS,
    ASSEMBLY,
    RUNTIME_VERSION,
    CODE_BASE,
    THREADING_MODEL,
    PROG_ID,
    CATEGORIES,
    TYPE_LIB,
    APP_ID,
    TREAT_AS,
    VERSIONS,
    OTHER,
    STATE,
    KEY,
];

pub(super) const GUID: Field = Field::text("Guid", "id of the value type, upper case in braces");
pub(super) const RECORD_FIELDS: &[Field] =
    &[GUID, VIEW, VERSION, CLASS, ASSEMBLY, RUNTIME_VERSION, CODE_BASE, OTHER, STATE, KEY];

pub(super) const VALUE_NAME: Field = Field::text("ValueName", "`Class`, `Assembly`, `RuntimeVersion` or `CodeBase`");
pub(super) const VALUE: Field = Field::text("Value", "what it was");
pub(super) const VALUE_FIELDS: &[Field] = &[VALUE_NAME, VALUE, STATE];
