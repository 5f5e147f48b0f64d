//! Which assemblies belong to the .NET Framework itself.
//!
//! What a file takes from these is known: the runtime loads them from its own place, never from beside the file, their
//! classes have neither of the two hooks, and an attribute counts only when it comes from them. A name alone proves
//! nothing, since anybody may call a file `System.Payload.dll`; so name and key token must both fit.

/// Key tokens of the framework's assemblies, and of those that stand for them in portable ones.
const TOKENS: [&str; 6] = [
    "b77a5c561934e089",
    evidence::technique::KEY_TOKEN,
    "31bf3856ad364e35",
    "cc7b13ffcd2ddd51",
    "7cec85d7bea7798e",
    "89845dcd8080cc91",
];

/// Names, lower case. Those of the facades, which only lead on to the others, are covered by [`is_facade`].
const NAMES: [&str; 63] = [
    "accessibility",
    "custommarshalers",
    "iehost",
    "iiehost",
    "microsoft.build.engine",
    "microsoft.build.framework",
    "microsoft.build.tasks.v4.0",
    "microsoft.build.utilities.v4.0",
    "microsoft.csharp",
    "microsoft.jscript",
    "microsoft.visualbasic",
    "microsoft.visualbasic.compatibility",
    "microsoft.visualbasic.compatibility.data",
    "microsoft.visualc",
    "microsoft.vsa",
    "netstandard",
    "presentationcore",
    "presentationframework",
    "reachframework",
    "system",
    "system.activities",
    "system.addin",
    "system.componentmodel.composition",
    "system.componentmodel.dataannotations",
    "system.configuration",
    "system.configuration.install",
    "system.core",
    "system.data",
    "system.data.datasetextensions",
    "system.data.entity",
    "system.data.linq",
    "system.data.oracleclient",
    "system.data.services",
    "system.data.sqlxml",
    "system.deployment",
    "system.design",
    "system.directoryservices",
    "system.directoryservices.accountmanagement",
    "system.directoryservices.protocols",
    "system.drawing",
    "system.drawing.design",
    "system.enterpriseservices",
    "system.identitymodel",
    "system.io.compression",
    "system.io.log",
    "system.management",
    "system.management.instrumentation",
    "system.messaging",
    "system.net.http",
    "system.numerics",
    "system.security",
    "system.servicemodel",
    "system.serviceprocess",
    "system.speech",
    "system.transactions",
    "system.web",
    "system.web.extensions",
    "system.web.services",
    "system.windows.forms",
    "system.xaml",
    "system.xml",
    "system.xml.linq",
    "windowsbase",
];

/// Names that hold no code of their own and lead on to the assemblies above.
fn is_facade(name: &str) -> bool {
    name == "system.private.corelib"
        || [
            "system.runtime",
            "system.collections",
            "system.threading",
            "system.reflection",
            "system.diagnostics",
            "system.linq",
            "system.io",
            "system.globalization",
            "system.text",
            "system.net",
            "system.componentmodel",
            "system.resources",
            "system.objectmodel",
            "system.dynamic",
        ]
        .iter()
        .any(|facade| name == *facade || name.strip_prefix(facade).is_some_and(|rest| rest.starts_with('.')))
}

/// Whether an assembly of this simple name and key token (lower case hexadecimal) is the framework's.
pub(super) fn is_framework(name: &str, token: &str) -> bool {
    let name = name.to_ascii_lowercase();
    // The runtime takes its own mscorlib whatever else the reference says.
    name == "mscorlib" || TOKENS.contains(&token) && (NAMES.binary_search(&name.as_str()).is_ok() || is_facade(&name))
}

/// The same of a file itself. Here the name mscorlib alone proves nothing; a key that fits may still be stolen, since the
/// signature is not verified.
pub(super) fn claims_to_be_framework(name: &str, token: &str) -> bool {
    TOKENS.contains(&token) && is_framework(name, token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted() {
        assert!(NAMES.is_sorted());
    }

    #[test]
    fn name_and_token_must_fit() {
        assert!(is_framework("mscorlib", ""));
        assert!(!claims_to_be_framework("mscorlib", "") && claims_to_be_framework("mscorlib", "b77a5c561934e089"));
        assert!(is_framework("System.EnterpriseServices", "b03f5f7f11d50a3a"));
        assert!(is_framework("System.Runtime.InteropServices", "b03f5f7f11d50a3a"));
        assert!(!is_framework("System.EnterpriseServices", ""));
        assert!(!is_framework("System.EnterpriseServices", "cb1364609f40a1dc"));
        assert!(!is_framework("System.Payload", "b77a5c561934e089"));
        assert!(!is_framework("System.Runtimes", "b77a5c561934e089"));
    }
}
