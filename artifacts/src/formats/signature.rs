//! The Authenticode signature in a program file: who it says has signed, and the digest that was signed.
//!
//! Nothing is verified: anybody can make a certificate with any name. What can be checked without any trust is whether the
//! digest that was signed is that of the file.
//!
//! Reference: Microsoft, *Windows Authenticode Portable Executable Signature Format*; RFC 5652; RFC 5280.

use cms::cert::CertificateChoices;
use cms::content_info::ContentInfo;
use cms::signed_data::{SignedData, SignerIdentifier};
use der::asn1::{ObjectIdentifier, OctetString};
use der::{Any, Reader, Sequence, SliceReader};

/// What a signature says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signer {
    /// The subject of the certificate that signed, as RFC 4514 writes it.
    pub(crate) subject: String,
    /// Who issued that certificate.
    pub(crate) issuer: String,
    /// Its serial number in hexadecimal.
    pub(crate) serial: String,
    /// The algorithm of the digest, where it is one that is still used.
    pub(crate) algorithm: Option<Algorithm>,
    /// The digest of the image that was signed.
    pub(crate) digest: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Sha1,
    Sha256,
}

/// SpcIndirectDataContent.
#[derive(Sequence)]
struct IndirectData {
    data: TypeAndValue,
    digest: DigestInfo,
}

#[derive(Sequence)]
struct TypeAndValue {
    kind: ObjectIdentifier,
    #[asn1(optional = "true")]
    value: Option<Any>,
}

#[derive(Sequence)]
struct DigestInfo {
    algorithm: AlgorithmIdentifier,
    digest: OctetString,
}

#[derive(Sequence)]
struct AlgorithmIdentifier {
    kind: ObjectIdentifier,
    #[asn1(optional = "true")]
    parameters: Option<Any>,
}

const SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");

/// Longest name that is kept.
const LONGEST_NAME: usize = 512;

fn name(name: &x509_cert::name::Name) -> String {
    let text = name.to_string();
    match text.char_indices().nth(LONGEST_NAME) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The signer in a table of certificates, as the security directory of a program file has it; `None` for an empty table.
/// Of several signatures the first one counts, as it does for Windows.
pub(crate) fn signer(table: &[u8]) -> Result<Option<Signer>, String> {
    /// A certificate of the table holds PKCS #7 SignedData.
    const SIGNED_DATA: u16 = 2;
    let mut rest = table;
    while let Some((head, _)) = rest.split_first_chunk::<8>() {
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let Some(data) = rest.get(8..length) else {
            return Err("an entry of the table of certificates reaches beyond its end".to_owned());
        };
        if u16::from_le_bytes([head[6], head[7]]) == SIGNED_DATA {
            return signed_data(data).map(Some).map_err(|error| format!("the signature cannot be read: {error}"));
        }
        rest = rest.get(length.next_multiple_of(8)..).unwrap_or_default();
    }
    Ok(None)
}

fn signed_data(data: &[u8]) -> der::Result<Signer> {
    // Padding follows, so that not all of the bytes belong to it.
    let mut reader = SliceReader::new(data)?;
    let content: ContentInfo = reader.decode()?;
    let signed: SignedData = content.content.decode_as()?;
    let wrong = || der::Error::from(der::ErrorKind::Failed);
    let indirect = signed.encap_content_info.econtent.as_ref().ok_or_else(wrong)?;
    let indirect: IndirectData = indirect.decode_as()?;
    let first = signed.signer_infos.0.iter().next().ok_or_else(wrong)?;
    let SignerIdentifier::IssuerAndSerialNumber(id) = &first.sid else { return Err(wrong()) };
    let certificates = signed.certificates.iter().flat_map(|set| set.0.iter()).filter_map(|one| match one {
        CertificateChoices::Certificate(certificate) => Some(&certificate.tbs_certificate),
        CertificateChoices::Other(_) => None,
    });
    let mut own = certificates.filter(|one| one.serial_number == id.serial_number && one.issuer == id.issuer);
    let subject = own.next().map(|certificate| name(&certificate.subject)).unwrap_or_default();
    Ok(Signer {
        subject,
        issuer: name(&id.issuer),
        serial: id.serial_number.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect(),
        algorithm: match indirect.digest.algorithm.kind {
            SHA1 => Some(Algorithm::Sha1),
            SHA256 => Some(Algorithm::Sha256),
            _ => None,
        },
        digest: indirect.digest.digest.as_bytes().to_vec(),
    })
}
