//! The few signatures that are read: the shape of a method, and the generic class behind a constructed base type.
//!
//! Reference: ECMA-335, partition II, section 23.2.

use super::{coded, compressed};

/// What a method's signature says, as far as callers by reflection look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodShape {
    /// Whether it has a `this`.
    pub has_this: bool,
    /// Whether it has type parameters of its own.
    pub is_generic: bool,
    /// Whether the calling convention is the ordinary one of managed code.
    pub is_ordinary: bool,
    /// Number of parameters.
    pub parameters: u32,
    /// Whether it returns nothing.
    pub returns_nothing: bool,
    /// The first parameter, where it could be read.
    pub first: Option<ParameterKind>,
}

/// Kind of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterKind {
    /// System.String.
    Text,
    /// A class: table number and row of TypeDef, TypeRef or TypeSpec.
    Class(u8, u32),
    /// Anything else.
    Other,
}

const MODIFIERS: [u8; 2] = [0x1F, 0x20];

/// Reads the shape of a method from its signature.
pub fn method_shape(blob: &[u8]) -> Option<MethodShape> {
    let convention = *blob.first()?;
    let mut at = 1;
    let mut number = || {
        let (value, length) = compressed(blob.get(at..)?)?;
        at += length;
        Some(value)
    };
    let is_generic = convention & 0x10 != 0;
    if is_generic {
        number()?;
    }
    let parameters = number()?;
    let rest = without_modifiers(blob.get(at..)?)?;
    let returns_nothing = *rest.first()? == 0x01;
    // What is returned is skipped only when it is nothing: any other return makes the rest uninteresting.
    let first = if returns_nothing { without_modifiers(&rest[1..]).and_then(parameter) } else { None };
    Some(MethodShape {
        has_this: convention & 0x20 != 0,
        is_generic,
        is_ordinary: convention & 0x0F == 0,
        parameters,
        returns_nothing,
        first,
    })
}

fn without_modifiers(mut bytes: &[u8]) -> Option<&[u8]> {
    while MODIFIERS.contains(bytes.first()?) {
        let (_, length) = compressed(&bytes[1..])?;
        bytes = &bytes[1 + length..];
    }
    Some(bytes)
}

fn parameter(bytes: &[u8]) -> Option<ParameterKind> {
    Some(match bytes.first()? {
        0x0E => ParameterKind::Text,
        0x12 => {
            let (table, row) = coded::TYPE_DEF_OR_REF.decode(compressed(&bytes[1..])?.0)?;
            ParameterKind::Class(table, row)
        }
        _ => ParameterKind::Other,
    })
}

/// Table number and row of the generic type that a TypeSpec constructs (`Base<int>`); `None` for anything else.
pub fn generic_base(blob: &[u8]) -> Option<(u8, u32)> {
    let rest = without_modifiers(blob)?;
    let [0x15, 0x11 | 0x12, index @ ..] = rest else { return None };
    coded::TYPE_DEF_OR_REF.decode(compressed(index)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        let plain = MethodShape {
            has_this: false,
            is_generic: false,
            is_ordinary: true,
            parameters: 1,
            returns_nothing: true,
            first: Some(ParameterKind::Text),
        };
        assert_eq!(method_shape(&[0, 1, 1, 0x0E]), Some(plain));
        let by_type = MethodShape { first: Some(ParameterKind::Class(0x01, 5)), ..plain };
        assert_eq!(method_shape(&[0, 1, 1, 0x12, 0x15]), Some(by_type));
        // volatile modifiers before the return and the parameter change nothing.
        assert_eq!(method_shape(&[0, 1, 0x1F, 0x15, 1, 0x20, 0x81, 0x01, 0x0E]), Some(plain));
        let returns = MethodShape { returns_nothing: false, first: None, ..plain };
        assert_eq!(method_shape(&[0, 1, 8, 0x0E]), Some(returns));
        let instance = MethodShape { has_this: true, parameters: 2, ..plain };
        assert_eq!(method_shape(&[0x20, 2, 1, 0x0E, 0x0E]), Some(instance));
        let generic = MethodShape { is_generic: true, first: Some(ParameterKind::Other), ..plain };
        assert_eq!(method_shape(&[0x10, 1, 1, 1, 0x1E, 0]), Some(generic));
        let variable = MethodShape { is_ordinary: false, ..plain };
        assert_eq!(method_shape(&[5, 1, 1, 0x0E]), Some(variable));
        for cut in [&[][..], &[0], &[0, 1], &[0x10, 1], &[0, 1, 0x1F], &[0, 0xC0]] {
            assert_eq!(method_shape(cut), None);
        }
        assert_eq!(method_shape(&[0, 1, 1]).unwrap().first, None);
    }

    #[test]
    fn generic_bases() {
        assert_eq!(generic_base(&[0x15, 0x12, 0x08, 1, 8]), Some((0x02, 2)));
        assert_eq!(generic_base(&[0x15, 0x12, 0x09, 1, 8]), Some((0x01, 2)));
        assert_eq!((generic_base(&[0x1D, 8]), generic_base(&[0x15]), generic_base(&[])), (None, None, None));
    }
}
