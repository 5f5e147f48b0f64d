//! The fields of the program files' records. What stands inside of a field has its names in a module of its own.

use evidence::{Field, Role};

/// Members of `Timestamp`.
pub(super) mod timestamp {
    use evidence::{Field, Role};

    pub(in super::super) const RAW: Field = Field::number("Raw", "as stored").role(Role::Raw);
    pub(in super::super) const READING: Field =
        Field::text("Reading", "`time`, `hash` or `impossible`").role(Role::Reading);
    pub(in super::super) const TIME: Field = Field::time("Time", "the time, where it is one").role(Role::Time);
    pub(super) const ALL: &[Field] = &[RAW, READING, TIME];
}

/// Members of `Sections`.
pub(super) mod section {
    use evidence::{Field, Role};

    pub(in super::super) const NAME: Field = Field::text("Name", "name").role(Role::Name);
    pub(in super::super) const ADDRESS: Field = Field::number("Address", "address in memory");
    pub(in super::super) const VIRTUAL_SIZE: Field = Field::number("VirtualSize", "bytes in memory");
    pub(in super::super) const OFFSET: Field = Field::number("Offset", "offset in the file").role(Role::Offset);
    pub(in super::super) const SIZE: Field = Field::number("Size", "bytes in the file").role(Role::Size);
    pub(in super::super) const FLAGS: Field = Field::text("Flags", "flags, hexadecimal");
    pub(in super::super) const ENTROPY: Field =
        Field::text("Entropy", "bits for each byte, two decimals").role(Role::Entropy);
    pub(super) const ALL: &[Field] = &[NAME, ADDRESS, VIRTUAL_SIZE, OFFSET, SIZE, FLAGS, ENTROPY];
}

/// Members of `Imports`.
pub(super) mod import {
    use evidence::{Field, Role};

    pub(in super::super) const LIBRARY: Field = Field::text("Library", "name of the library").role(Role::Library);
    pub(in super::super) const FUNCTIONS: Field =
        Field::list("Functions", "names or numbers of the functions").role(Role::Functions);
    pub(super) const ALL: &[Field] = &[LIBRARY, FUNCTIONS];
}

/// Members of `Version` that have a meaning of their own.
pub(super) mod version {
    use evidence::{Field, Role};

    pub(in super::super) const ORIGINAL_FILENAME: Field =
        Field::text("OriginalFilename", "name that the file had when it was built").role(Role::OriginalFileName);
    pub(in super::super) const FIXED_FILE_VERSION: Field = Field::text("FixedFileVersion", "file version as numbers");
    pub(in super::super) const FIXED_PRODUCT_VERSION: Field =
        Field::text("FixedProductVersion", "product version as numbers");
    pub(super) const ALL: &[Field] = &[ORIGINAL_FILENAME, FIXED_FILE_VERSION, FIXED_PRODUCT_VERSION];
}

/// Members of `Debug`.
pub(super) mod debug {
    use evidence::{Field, Role};

    pub(in super::super) const REPRODUCIBLE: Field =
        Field::flag("Reproducible", "whether the build says that it is reproducible");
    pub(in super::super) const GUID: Field = Field::text("Guid", "id of the symbols").role(Role::Guid);
    pub(in super::super) const AGE: Field =
        Field::number("Age", "how often the symbols were written again").role(Role::Age);
    pub(in super::super) const PDB_PATH: Field =
        Field::text("PdbPath", "path of the symbols when it was built").role(Role::PdbPath);
    pub(super) const ALL: &[Field] = &[REPRODUCIBLE, GUID, AGE, PDB_PATH];
}

/// Members of `Flags` of `Cli`.
pub(super) mod flags {
    use evidence::{Field, Role};

    pub(in super::super) const IL_ONLY: Field = Field::flag("IlOnly", "intermediate code only");
    pub(in super::super) const REQUIRES_32_BIT: Field = Field::flag("Requires32Bit", "needs a 32-bit process");
    pub(in super::super) const STRONG_NAME_SIGNED: Field =
        Field::flag("StrongNameSigned", "signed with a strong name").role(Role::StrongNameSigned);
    pub(in super::super) const NATIVE_ENTRY_POINT: Field = Field::flag("NativeEntryPoint", "the entry point is native");
    pub(in super::super) const PREFERS_32_BIT: Field = Field::flag("Prefers32Bit", "prefers a 32-bit process");
    pub(super) const ALL: &[Field] =
        &[IL_ONLY, REQUIRES_32_BIT, STRONG_NAME_SIGNED, NATIVE_ENTRY_POINT, PREFERS_32_BIT];
}

/// Members of `Assembly` of `Cli`.
pub(super) mod assembly {
    use evidence::{Field, Role};

    pub(in super::super) const NAME: Field = Field::text("Name", "simple name").role(Role::Name);
    pub(in super::super) const VERSION: Field = Field::text("Version", "version").role(Role::Version);
    pub(in super::super) const CULTURE: Field = Field::text("Culture", "culture").role(Role::Culture);
    pub(in super::super) const PUBLIC_KEY_TOKEN: Field =
        Field::text("PublicKeyToken", "token of the public key").role(Role::PublicKeyToken);
    pub(in super::super) const PUBLIC_KEY: Field = Field::text("PublicKey", "public key, hexadecimal");
    pub(in super::super) const DISPLAY_NAME: Field =
        Field::text("DisplayName", "all of these as the runtime writes them").role(Role::DisplayName);
    pub(super) const ALL: &[Field] = &[NAME, VERSION, CULTURE, PUBLIC_KEY_TOKEN, PUBLIC_KEY, DISPLAY_NAME];
}

/// Members of `Attributes` of `Cli`.
pub(super) mod attribute {
    use evidence::Field;

    pub(in super::super) const NAME: Field = Field::text("Name", "full name of its class");
    pub(in super::super) const ARGUMENTS: Field = Field::list("Arguments", "arguments");
    pub(in super::super) const DAMAGED: Field = Field::flag("Damaged", "true where they could not be read");
    pub(super) const ALL: &[Field] = &[NAME, ARGUMENTS, DAMAGED];
}

/// Members of `Register` and `Unregister`; only the last two where it is not known whether there is one.
pub(super) mod hook {
    use evidence::{Field, Role};

    pub(in super::super) const TOKEN: Field = Field::text("Token", "metadata token").role(Role::Token);
    pub(in super::super) const METHOD: Field = Field::text("Method", "name of the method").role(Role::Method);
    pub(in super::super) const DECLARED_BY: Field =
        Field::text("DeclaredBy", "type that declares it").role(Role::DeclaredBy);
    pub(in super::super) const DEFINED_IN: Field =
        Field::text("DefinedIn", "another assembly that it is in").role(Role::DefinedIn);
    pub(in super::super) const OFFSET: Field = Field::number("Offset", "offset of its row in the file");
    pub(in super::super) const RUNS: Field = Field::text("Runs", "`yes`, `no`, `unknown`").role(Role::Runs);
    pub(in super::super) const BECAUSE: Field = Field::text("Because", "why").role(Role::Because);
    pub(super) const ALL: &[Field] = &[TOKEN, METHOD, DECLARED_BY, DEFINED_IN, OFFSET, RUNS, BECAUSE];
}

/// Members of `Types` of `Cli`.
pub(super) mod of_type {
    use evidence::{Field, Role};

    pub(in super::super) const NAME: Field = Field::text("Name", "full name").role(Role::Name);
    pub(in super::super) const TOKEN: Field = Field::text("Token", "metadata token");
    pub(in super::super) const REGISTRABLE: Field =
        Field::flag("Registrable", "whether the tools register it").role(Role::Registrable);
    pub(in super::super) const BECAUSE: Field = Field::list("Because", "why not").role(Role::Because);
    pub(in super::super) const CLSID: Field = Field::text("Clsid", "class id").role(Role::ClassId);
    pub(in super::super) const CLSID_FROM: Field =
        Field::text("ClsidFrom", "`attribute`, `derived`, `attribute, which is no id`").role(Role::ClassIdFrom);
    pub(in super::super) const CLSID_VARIANT_B: Field = Field::text("ClsidVariantB", "a second derivation");
    pub(in super::super) const PROG_ID: Field = Field::text("ProgId", "programmatic identifier").role(Role::ProgId);
    pub(in super::super) const VALUE_TYPE: Field =
        Field::flag("ValueType", "true: its id is a `Record`, not a `CLSID`").role(Role::ValueType);
    pub(in super::super) const SERVICED_COMPONENT: Field =
        Field::text("ServicedComponent", "`yes`, `no`, `unknown: …`").role(Role::ServicedComponent);
    pub(in super::super) const STATIC_CONSTRUCTOR: Field = Field::text("StaticConstructor", "metadata token");
    pub(in super::super) const ATTRIBUTES: Field = Field::list("Attributes", "names of its attributes");
    pub(in super::super) const REGISTER: Field =
        Field::map("Register", super::hook::ALL, "the method that registering calls").role(Role::Register);
    pub(in super::super) const UNREGISTER: Field =
        Field::map("Unregister", super::hook::ALL, "the method that unregistering calls").role(Role::Unregister);
    pub(super) const ALL: &[Field] = &[
        NAME,
        TOKEN,
        REGISTRABLE,
        BECAUSE,
        CLSID,
        CLSID_FROM,
        CLSID_VARIANT_B,
        PROG_ID,
        VALUE_TYPE,
        SERVICED_COMPONENT,
        STATIC_CONSTRUCTOR,
        ATTRIBUTES,
        REGISTER,
        UNREGISTER,
    ];
}

/// Members of `Cli`.
pub(super) mod cli {
    use evidence::{Field, Role};

    pub(in super::super) const RUNTIME_VERSION: Field =
        Field::text("RuntimeVersion", "version of the runtime that it was built for").role(Role::RuntimeVersion);
    pub(in super::super) const FLAGS: Field =
        Field::map("Flags", super::flags::ALL, "flags of the CLI header").role(Role::Flags);
    pub(in super::super) const NATIVE_IMAGE: Field =
        Field::flag("NativeImage", "true where it was compiled beforehand");
    pub(in super::super) const MVID: Field = Field::text("Mvid", "module version id").role(Role::Mvid);
    pub(in super::super) const ASSEMBLY: Field =
        Field::map("Assembly", super::assembly::ALL, "identity; missing in a module without a manifest")
            .role(Role::Assembly);
    pub(in super::super) const STRONG_NAME_SIGNATURE: Field =
        Field::flag("StrongNameSignature", "whether bytes of a signature are there");
    pub(in super::super) const COM_VISIBLE: Field = Field::flag("ComVisible", "of the assembly").role(Role::ComVisible);
    pub(in super::super) const TYPE_LIB_ID: Field =
        Field::text("TypeLibId", "id of the type library").role(Role::TypeLibId);
    pub(in super::super) const TYPE_LIB_ID_FROM: Field =
        Field::text("TypeLibIdFrom", "`attribute`, `derived`").role(Role::TypeLibIdFrom);
    pub(in super::super) const TYPE_LIB_ID_VARIANT_B: Field =
        Field::text("TypeLibIdVariantB", "a second derivation that no registration is known to follow");
    pub(in super::super) const REFERENCES: Field =
        Field::list("References", "display names of assemblies").role(Role::References);
    pub(in super::super) const NATIVE_FUNCTIONS: Field =
        Field::list("NativeFunctions", "`library!function`").role(Role::NativeFunctions);
    pub(in super::super) const ATTRIBUTES: Field =
        Field::maps("Attributes", super::attribute::ALL, "attributes of the assembly");
    pub(in super::super) const MODULE_INITIALIZER: Field = Field::flag("ModuleInitializer", "whether it has one");
    pub(in super::super) const TYPE_COUNT: Field = Field::number("TypeCount", "how many types it defines");
    pub(in super::super) const REGISTRABLE_COUNT: Field =
        Field::number("RegistrableCount", "how many the tools register").role(Role::RegistrableCount);
    pub(in super::super) const HOOKED_COUNT: Field =
        Field::number("HookedCount", "how many have a method with one of the attributes");
    pub(in super::super) const TYPES: Field = Field::maps(
        "Types",
        super::of_type::ALL,
        "at most 500, of the types that are registrable or have a method with one of the attributes",
    )
    .role(Role::Types);
    pub(super) const ALL: &[Field] = &[
        RUNTIME_VERSION,
        FLAGS,
        NATIVE_IMAGE,
        MVID,
        ASSEMBLY,
        STRONG_NAME_SIGNATURE,
        COM_VISIBLE,
        TYPE_LIB_ID,
        TYPE_LIB_ID_FROM,
        TYPE_LIB_ID_VARIANT_B,
        REFERENCES,
        NATIVE_FUNCTIONS,
        ATTRIBUTES,
        MODULE_INITIALIZER,
        TYPE_COUNT,
        REGISTRABLE_COUNT,
        HOOKED_COUNT,
        TYPES,
    ];
}

/// Members of the answers: `ExecutesOnRegister` and the like.
pub(super) mod outlook {
    use evidence::{Field, Role};

    pub(in super::super) const STATE: Field = Field::text("State", "`yes`, `no`, `unknown`").role(Role::State);
    pub(in super::super) const BECAUSE: Field = Field::text("Because", "why").role(Role::Because);
    pub(super) const ALL: &[Field] = &[STATE, BECAUSE];
}

// Of a program file
pub(super) const KIND: Field =
    Field::text("Kind", "`managed`: it has a CLI header, `native`, `not_pe`").role(Role::Kind);
pub(super) const IN_STREAM: Field = Field::text("Stream", "name of the alternate stream that the program is in");
pub(super) const SHA256: Field = Field::text(
    "Sha256",
    "SHA-256; the hashes are missing where the file has more than 16 GiB or could not be read to its end",
)
.role(Role::Sha256);
pub(super) const SHA1: Field = Field::text("Sha1", "SHA-1").role(Role::Sha1);
pub(super) const MD5: Field = Field::text("Md5", "MD5").role(Role::Md5);
pub(super) const IMAGE_SHA256: Field =
    Field::text("ImageSha256", "SHA-256 as Authenticode takes it").role(Role::ImageSha256);
pub(super) const SIZE: Field = Field::number("Size", "size in bytes").role(Role::Size);
pub(super) const MACHINE: Field = Field::text("Machine", "processor").role(Role::Machine);
pub(super) const LIBRARY: Field = Field::flag("Library", "whether it is a DLL");
pub(super) const ENTRY_POINT: Field = Field::number("EntryPoint", "address of the entry point");
pub(super) const TIMESTAMP: Field =
    Field::map("Timestamp", timestamp::ALL, "the time stamp of the header").role(Role::Timestamp);
pub(super) const SECTIONS: Field =
    Field::maps("Sections", section::ALL, "sections; `Entropy` is missing where the hashes are").role(Role::Sections);
pub(super) const IMPORTS: Field = Field::maps("Imports", import::ALL, "imported functions").role(Role::Imports);
pub(super) const IMPORTS_CUT: Field = Field::flag("ImportsCut", "true where not all could be read");
pub(super) const THREAD_LOCAL_STORAGE: Field =
    Field::flag("ThreadLocalStorage", "true where it has callbacks or data for each thread");
pub(super) const VERSION: Field =
    Field::map("Version", version::ALL, "the version resource's strings").role(Role::VersionStrings);
pub(super) const DEBUG: Field = Field::map("Debug", debug::ALL, "the debug record").role(Role::Debug);
pub(super) const SIGNED: Field =
    Field::flag("Signed", "whether a security directory is there; not that it is valid").role(Role::Signed);
pub(super) const CLI: Field =
    Field::map("Cli", cli::ALL, "of a managed file: what CLI header and metadata say").role(Role::Cli);
pub(super) const EXECUTES_ON_REGISTER: Field = Field::map("ExecutesOnRegister", outlook::ALL, "whether regasm would run code of it when it registers; of a managed file. It says what the tool would call, with the rights that it needs; not that it did").role(Role::OnRegister);
pub(super) const EXECUTES_ON_UNREGISTER: Field =
    Field::map("ExecutesOnUnregister", outlook::ALL, "the same when it unregisters").role(Role::OnUnregister);
pub(super) const EXECUTES_FOR_REGSVCS: Field =
    Field::map("ExecutesForRegsvcs", outlook::ALL, "the same of regsvcs").role(Role::ForRegsvcs);
pub(super) const EXECUTES_FOR_REGSVCS_ROLLBACK: Field =
    Field::map("ExecutesForRegsvcsRollback", outlook::ALL, "the same of regsvcs when it fails and rolls back")
        .role(Role::ForRegsvcsRollback);
pub(super) const EXECUTES_ON_LOAD: Field =
    Field::map("ExecutesOnLoad", outlook::ALL, "whether loading it alone would").role(Role::OnLoad);
pub(super) const MALFORMED: Field = Field::list("Malformed", "what is not as a compiler makes it");
pub(super) const FIRST_BYTES: Field =
    Field::text("FirstBytes", "of a file that is no program, hexadecimal").role(Role::FirstBytes);
pub(super) const TEXT: Field = Field::text("Text", "of a `.config` file, at most 64 KiB").role(Role::Text);
pub(super) const OF_FILE: &[Field] = &[
    KIND,
    IN_STREAM,
    SHA256,
    SHA1,
    MD5,
    IMAGE_SHA256,
    SIZE,
    MACHINE,
    LIBRARY,
    ENTRY_POINT,
    TIMESTAMP,
    SECTIONS,
    IMPORTS,
    IMPORTS_CUT,
    THREAD_LOCAL_STORAGE,
    VERSION,
    DEBUG,
    SIGNED,
    CLI,
    EXECUTES_ON_REGISTER,
    EXECUTES_ON_UNREGISTER,
    EXECUTES_FOR_REGSVCS,
    EXECUTES_FOR_REGSVCS_ROLLBACK,
    EXECUTES_ON_LOAD,
    MALFORMED,
    FIRST_BYTES,
    TEXT,
];

// Of an alternate stream
pub(super) const STREAM_NAME: Field = Field::text("Name", "name of the stream").role(Role::Name);
pub(super) const OF_STREAM: &[Field] = &[STREAM_NAME, SIZE, SHA256, TEXT, FIRST_BYTES];
