//! The 45 tables of ECMA-335 and the widths of their columns.

/// A table that is read; the others are only measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// The module itself.
    Module = 0x00,
    /// Types of other assemblies.
    TypeRef = 0x01,
    /// Types.
    TypeDef = 0x02,
    /// Fields.
    Field = 0x04,
    /// Order of the methods where they are not stored in that of their types, in `#-` only.
    MethodPtr = 0x05,
    /// Methods.
    MethodDef = 0x06,
    /// Members of other types.
    MemberRef = 0x0A,
    /// Custom attributes.
    CustomAttribute = 0x0C,
    /// Modules of native code.
    ModuleRef = 0x1A,
    /// Type specifications.
    TypeSpec = 0x1B,
    /// Native functions.
    ImplMap = 0x1C,
    /// The assembly itself.
    Assembly = 0x20,
    /// Assemblies that this one refers to.
    AssemblyRef = 0x23,
    /// Other files of the assembly.
    File = 0x26,
    /// Types that lie in other files of the assembly, or in other assemblies.
    ExportedType = 0x27,
    /// Which type lies in which.
    NestedClass = 0x29,
    /// Generic parameters.
    GenericParam = 0x2A,
}

/// One column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Two bytes.
    Two,
    /// Four bytes.
    Four,
    /// Index into #Strings.
    Name,
    /// Index into #GUID.
    Guid,
    /// Index into #Blob.
    Blob,
    /// Index of a row of one table.
    Row(u8),
    /// Index of a row of one of several tables.
    Coded(&'static Coded),
}

/// A coded index: bits of the tag, and the table of each tag (0xFF unused).
#[derive(Debug, PartialEq, Eq)]
pub struct Coded {
    bits: u32,
    tables: &'static [u8],
}

impl Coded {
    /// Table number and row of a stored index.
    pub fn decode(&self, raw: u32) -> Option<(u8, u32)> {
        let tag = (raw & ((1 << self.bits) - 1)) as usize;
        self.tables.get(tag).copied().filter(|table| *table != 0xFF).map(|table| (table, raw >> self.bits))
    }
}

/// The coded indexes.
pub mod coded {
    use super::Coded;

    /// Type of any kind.
    pub static TYPE_DEF_OR_REF: Coded = Coded { bits: 2, tables: &[0x02, 0x01, 0x1B] };
    /// Owner of a constant.
    pub static HAS_CONSTANT: Coded = Coded { bits: 2, tables: &[0x04, 0x08, 0x17] };
    /// Owner of a custom attribute.
    pub static HAS_CUSTOM_ATTRIBUTE: Coded = Coded {
        bits: 5,
        tables: &[
            0x06, 0x04, 0x01, 0x02, 0x08, 0x09, 0x0A, 0x00, 0x0E, 0x17, 0x14, 0x11, 0x1A, 0x1B, 0x20, 0x23, 0x26, 0x27,
            0x28, 0x2A, 0x2C, 0x2B,
        ],
    };
    /// Owner of marshalling.
    pub static HAS_FIELD_MARSHAL: Coded = Coded { bits: 1, tables: &[0x04, 0x08] };
    /// Owner of declared security.
    pub static HAS_DECL_SECURITY: Coded = Coded { bits: 2, tables: &[0x02, 0x06, 0x20] };
    /// Owner of a member.
    pub static MEMBER_REF_PARENT: Coded = Coded { bits: 3, tables: &[0x02, 0x01, 0x1A, 0x06, 0x1B] };
    /// Owner of semantics.
    pub static HAS_SEMANTICS: Coded = Coded { bits: 1, tables: &[0x14, 0x17] };
    /// Method of any kind.
    pub static METHOD_DEF_OR_REF: Coded = Coded { bits: 1, tables: &[0x06, 0x0A] };
    /// What is forwarded to native code.
    pub static MEMBER_FORWARDED: Coded = Coded { bits: 1, tables: &[0x04, 0x06] };
    /// Where something is implemented.
    pub static IMPLEMENTATION: Coded = Coded { bits: 2, tables: &[0x26, 0x23, 0x27] };
    /// Constructor of a custom attribute.
    pub static CUSTOM_ATTRIBUTE_TYPE: Coded = Coded { bits: 3, tables: &[0xFF, 0xFF, 0x06, 0x0A, 0xFF] };
    /// Scope of a type reference.
    pub static RESOLUTION_SCOPE: Coded = Coded { bits: 2, tables: &[0x00, 0x1A, 0x23, 0x01] };
    /// Owner of a generic parameter.
    pub static TYPE_OR_METHOD_DEF: Coded = Coded { bits: 1, tables: &[0x02, 0x06] };
}

/// Bytes of a column. In a delta every index is wide.
pub(super) fn width_of(
    column: Column,
    rows: &[u32; 64],
    (strings, guids, blobs): (bool, bool, bool),
    is_delta: bool,
) -> u8 {
    let wide = |wide: bool| if wide || is_delta { 4 } else { 2 };
    match column {
        Column::Two => 2,
        Column::Four => 4,
        Column::Name => wide(strings),
        Column::Guid => wide(guids),
        Column::Blob => wide(blobs),
        Column::Row(table) => wide(rows[usize::from(table)] > 0xFFFF),
        Column::Coded(coded) => {
            let limit = 1u32 << (16 - coded.bits);
            wide(coded.tables.iter().any(|table| *table != 0xFF && rows[usize::from(*table)] >= limit))
        }
    }
}

use Column::{Blob, Four, Guid, Name, Two};

const fn row(table: u8) -> Column {
    Column::Row(table)
}

/// Most columns of one table.
pub(super) const COLUMNS: usize = 9;

/// Columns of each table by number.
pub(super) static SCHEMAS: [&[Column]; 45] = [
    &[Two, Name, Guid, Guid, Guid],
    &[Column::Coded(&coded::RESOLUTION_SCOPE), Name, Name],
    &[Four, Name, Name, Column::Coded(&coded::TYPE_DEF_OR_REF), row(0x04), row(0x06)],
    &[row(0x04)],
    &[Two, Name, Blob],
    &[row(0x06)],
    &[Four, Two, Two, Name, Blob, row(0x08)],
    &[row(0x08)],
    &[Two, Two, Name],
    &[row(0x02), Column::Coded(&coded::TYPE_DEF_OR_REF)],
    &[Column::Coded(&coded::MEMBER_REF_PARENT), Name, Blob],
    &[Two, Column::Coded(&coded::HAS_CONSTANT), Blob],
    &[Column::Coded(&coded::HAS_CUSTOM_ATTRIBUTE), Column::Coded(&coded::CUSTOM_ATTRIBUTE_TYPE), Blob],
    &[Column::Coded(&coded::HAS_FIELD_MARSHAL), Blob],
    &[Two, Column::Coded(&coded::HAS_DECL_SECURITY), Blob],
    &[Two, Four, row(0x02)],
    &[Four, row(0x04)],
    &[Blob],
    &[row(0x02), row(0x14)],
    &[row(0x14)],
    &[Two, Name, Column::Coded(&coded::TYPE_DEF_OR_REF)],
    &[row(0x02), row(0x17)],
    &[row(0x17)],
    &[Two, Name, Blob],
    &[Two, row(0x06), Column::Coded(&coded::HAS_SEMANTICS)],
    &[row(0x02), Column::Coded(&coded::METHOD_DEF_OR_REF), Column::Coded(&coded::METHOD_DEF_OR_REF)],
    &[Name],
    &[Blob],
    &[Two, Column::Coded(&coded::MEMBER_FORWARDED), Name, row(0x1A)],
    &[Four, row(0x04)],
    &[Four, Four],
    &[Four],
    &[Four, Two, Two, Two, Two, Four, Blob, Name, Name],
    &[Four],
    &[Four, Four, Four],
    &[Two, Two, Two, Two, Four, Blob, Name, Name, Blob],
    &[Four, row(0x23)],
    &[Four, Four, Four, row(0x23)],
    &[Four, Name, Blob],
    &[Four, Four, Name, Name, Column::Coded(&coded::IMPLEMENTATION)],
    &[Four, Four, Name, Column::Coded(&coded::IMPLEMENTATION)],
    &[row(0x02), row(0x02)],
    &[Two, Two, Column::Coded(&coded::TYPE_OR_METHOD_DEF), Name],
    &[Column::Coded(&coded::METHOD_DEF_OR_REF), Blob],
    &[row(0x2A), Column::Coded(&coded::TYPE_DEF_OR_REF)],
];
