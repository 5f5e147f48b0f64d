//! Chunks of an image: decoded once for all readers that are near, each with its checksum checked, and what was found wrong
//! with them.

use super::super::Faults;
use evidence::{Problem, ProblemKind, Stage};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::sync::{Arc, OnceLock};

/// Largest chunk. EnCase makes chunks of 16 MiB at most; one has to be decoded whole.
pub(crate) const MOST_CHUNK: u64 = 128 << 20;
/// Decoded chunks that are kept, as bytes; two chunks where that is more.
const KEPT_BYTES: u64 = 8 << 20;
/// Chunks from this length on are decoded one at a time, so that threads do not multiply them.
const LARGE: u64 = 1 << 20;
/// Faulty chunks that are counted for each segment file.
const MOST_COUNTED: usize = 1 << 16;
/// Faulty chunks that are named one by one.
const MOST_NAMED: usize = 8;

/// In what way a chunk is not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Flaw {
    /// It does not have its checksum.
    Checksum,
    /// The table that says where it lies does not have its own.
    Table,
    /// It is too long or too short.
    Length,
    /// It lies behind the end of its segment file.
    Cut,
    /// The segment file could not be read there.
    Read,
    /// It stands in no table that is there.
    Absent,
}

/// Why a chunk cannot be read.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    pub(crate) flaw: Flaw,
    kind: io::ErrorKind,
    why: Arc<str>,
}

impl Broken {
    pub(crate) fn new(flaw: Flaw, why: impl Into<String>) -> Self {
        Broken { flaw, kind: io::ErrorKind::InvalidData, why: why.into().into() }
    }

    pub(crate) fn read(error: &io::Error) -> Self {
        Broken { flaw: Flaw::Read, kind: error.kind(), why: error.to_string().into() }
    }

    /// The same with words before it that say where it is.
    pub(crate) fn within(self, place: &str) -> Self {
        Broken { why: format!("{place}: {}", self.why).into(), ..self }
    }
}

impl From<Broken> for io::Error {
    fn from(broken: Broken) -> Self {
        io::Error::new(broken.kind, broken.why.to_string())
    }
}

/// How a chunk is compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Method {
    Zlib,
    Bzip2,
}

impl Method {
    /// The checksums that chunks have, stored ones included.
    fn checksums(self) -> &'static str {
        match self {
            Method::Zlib => "Adler-32",
            Method::Bzip2 => "CRC-32 or Adler-32",
        }
    }
}

/// Decompresses a chunk of at most `most` bytes. All of the stream is read, since its checksum stands at its end.
pub(crate) fn decompress(method: Method, data: &[u8], most: u64, number: u64) -> Result<Vec<u8>, Broken> {
    let limit = usize::try_from(most).unwrap_or(usize::MAX).saturating_add(1);
    let (bytes, whole) = match method {
        Method::Zlib => inflate(data, limit),
        Method::Bzip2 => unpack(data, limit),
    };
    if !whole || bytes.len() as u64 > most {
        let sum = if method == Method::Zlib { "Adler-32" } else { "CRC-32" };
        let why = format!("chunk {number} does not decompress to a chunk that has its checksum ({sum})");
        return Err(Broken::new(Flaw::Checksum, why));
    }
    Ok(bytes)
}

/// The bytes, and whether the stream ended with the right Adler-32.
fn inflate(data: &[u8], limit: usize) -> (Vec<u8>, bool) {
    let mut stream = flate2::Decompress::new(true);
    let mut bytes = Vec::with_capacity(limit);
    loop {
        let (read, written) = (stream.total_in(), stream.total_out());
        let rest = data.get(usize::try_from(read).unwrap_or(usize::MAX)..).unwrap_or_default();
        match stream.decompress_vec(rest, &mut bytes, flate2::FlushDecompress::None) {
            Ok(flate2::Status::StreamEnd) => return (bytes, true),
            Ok(_) if bytes.len() < limit && (stream.total_in() > read || stream.total_out() > written) => {}
            _ => return (bytes, false),
        }
    }
}

fn unpack(data: &[u8], limit: usize) -> (Vec<u8>, bool) {
    use std::io::Read;
    let mut bytes = Vec::new();
    let done = bzip2::read::BzDecoder::new(data).take(limit as u64).read_to_end(&mut bytes);
    (bytes, done.is_ok())
}

/// A stored chunk, without the checksum behind it.
pub(crate) fn stored(mut data: Vec<u8>, number: u64) -> Result<Vec<u8>, Broken> {
    match data.split_last_chunk::<4>() {
        Some((content, sum)) if adler2::adler32_slice(content) == u32::from_le_bytes(*sum) => {
            data.truncate(data.len() - 4);
            Ok(data)
        }
        _ => Err(Broken::new(Flaw::Checksum, format!("the checksum (Adler-32) of chunk {number} does not match"))),
    }
}

type Decoded = Result<Arc<Vec<u8>>, Broken>;

/// Decoded chunks, those that were used last. A chunk that is broken is remembered as that.
pub(crate) struct Cache {
    kept: Mutex<Kept>,
    most: usize,
    one_at_a_time: Option<Mutex<()>>,
}

#[derive(Default)]
struct Kept {
    chunks: HashMap<u64, (u64, Arc<OnceLock<Decoded>>)>,
    uses: u64,
}

impl Cache {
    pub(crate) fn new(chunk_size: u64) -> Self {
        let most = usize::try_from(KEPT_BYTES / chunk_size.max(1)).unwrap_or(2).clamp(2, 4096);
        let one_at_a_time = (chunk_size >= LARGE).then(Mutex::default);
        Cache { kept: Mutex::default(), most, one_at_a_time }
    }

    /// The chunk of this number; `decode` is called where nobody has done so yet.
    pub(crate) fn get(&self, number: u64, decode: impl FnOnce() -> Result<Vec<u8>, Broken>) -> Decoded {
        let place = {
            let mut kept = self.kept.lock();
            kept.uses += 1;
            let uses = kept.uses;
            if !kept.chunks.contains_key(&number) && kept.chunks.len() >= self.most {
                let oldest = kept.chunks.iter().min_by_key(|(_, (used, _))| *used).map(|(number, _)| *number);
                oldest.and_then(|oldest| kept.chunks.remove(&oldest));
            }
            let (used, place) = kept.chunks.entry(number).or_default();
            *used = uses;
            place.clone()
        };
        place
            .get_or_init(|| {
                let _alone = self.one_at_a_time.as_ref().map(Mutex::lock);
                decode().map(Arc::new)
            })
            .clone()
    }
}

/// Notes the faults of an image while it is read. Each kind of fault is one problem for each segment file.
pub(crate) struct Recorder {
    /// The image, for problems.
    image: String,
    /// Segment files in words: `segment 3 (x.E03)`.
    segments: Vec<String>,
    chunk_size: u64,
    method: Method,
    faults: Mutex<BTreeMap<(usize, Flaw), BTreeSet<u64>>>,
    others: Mutex<BTreeSet<Problem>>,
}

impl Recorder {
    pub(crate) fn new(image: String, segments: Vec<String>, chunk_size: u64, method: Method) -> Self {
        Recorder { image, segments, chunk_size, method, faults: Mutex::default(), others: Mutex::default() }
    }

    /// Notes a chunk that cannot be read and gives the error with its segment file.
    pub(crate) fn broken(&self, segment: usize, number: u64, broken: Broken) -> Broken {
        let mut faults = self.faults.lock();
        let chunks = faults.entry((segment, broken.flaw)).or_default();
        if chunks.len() < MOST_COUNTED {
            chunks.insert(number);
        }
        broken.within(self.segment(segment))
    }

    /// Notes something that costs no chunk.
    pub(crate) fn other(&self, kind: ProblemKind, what: String, effect: &str) {
        self.others.lock().insert(Problem::new(Stage::Source, kind, self.image.clone(), what, effect));
    }

    /// A segment file in words.
    pub(crate) fn segment(&self, index: usize) -> &str {
        self.segments.get(index).map_or("the image", String::as_str)
    }

    fn problem(&self, segment: usize, flaw: Flaw, chunks: &BTreeSet<u64>) -> Problem {
        let first = chunks.first().copied().unwrap_or(0).saturating_mul(self.chunk_size);
        let count = match chunks.len() {
            1 => "1 chunk".to_owned(),
            MOST_COUNTED => format!("{MOST_COUNTED} or more chunks"),
            count => format!("{count} chunks"),
        };
        let (kind, wrong) = match flaw {
            Flaw::Checksum => (
                ProblemKind::BadChecksum { offset: first },
                format!("the checksum ({}) of {count} does not match", self.method.checksums()),
            ),
            Flaw::Table => {
                let what =
                    format!("the table of where chunks lie does not have its checksum, so that {count} cannot be read");
                (ProblemKind::BadChecksum { offset: first }, what)
            }
            Flaw::Length => (ProblemKind::ReadFailed, format!("{count} are not as long as a chunk is")),
            Flaw::Cut => {
                (ProblemKind::ReadFailed, format!("{count} lie behind the end of the file, which was cut off"))
            }
            Flaw::Read => (ProblemKind::ReadFailed, format!("{count} could not be read from the file")),
            Flaw::Absent => (ProblemKind::ReadFailed, format!("{count} are in no table that is there")),
        };
        let mut named: Vec<String> = chunks.iter().take(MOST_NAMED).map(u64::to_string).collect();
        if chunks.len() > MOST_NAMED {
            named.push("…".to_owned());
        }
        let what = format!("{}: {wrong} (number {}, counted from 0)", self.segment(segment), named.join(", "));
        let effect = format!(
            "a chunk is {} bytes of the disk; what lies in these cannot be trusted and is not read: files there are partial, \
             with zeros in its place",
            self.chunk_size
        );
        Problem::new(Stage::Source, kind, self.image.clone(), what, effect)
    }
}

impl Faults for Recorder {
    fn problems(&self) -> Vec<Problem> {
        let faults = self.faults.lock();
        let of_chunks = faults.iter().map(|((segment, flaw), chunks)| self.problem(*segment, *flaw, chunks));
        of_chunks.chain(self.others.lock().iter().cloned()).collect()
    }
}
