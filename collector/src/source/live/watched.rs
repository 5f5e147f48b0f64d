//! Reads that are given up when they do not return: a failing disk or a stuck filter driver costs one object, not the run.

use evidence::Bytes;
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// How long a single read may take. A sound disk answers in a fraction of a second even when it is busy.
#[cfg(windows)]
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Bytes that are read by a thread of their own.
pub(crate) struct Watched {
    inner: Arc<dyn Bytes>,
    deadline: Duration,
    /// None before the first read, and after one that was given up.
    reader: Mutex<Option<Reader>>,
}

type Answer = (Vec<u8>, io::Result<usize>);

struct Reader {
    ask: Sender<(u64, Vec<u8>)>,
    answers: Receiver<Answer>,
    /// Memory of the last answer.
    spare: Vec<u8>,
}

impl Reader {
    fn start(inner: Arc<dyn Bytes>) -> Reader {
        let (ask, asked) = channel::<(u64, Vec<u8>)>();
        let (answer, answers) = channel();
        // A thread whose read was given up ends when the read returns at last, since nobody waits for its answer.
        std::thread::spawn(move || {
            while let Ok((offset, mut buffer)) = asked.recv() {
                let read = inner.read_at(offset, &mut buffer);
                if answer.send((buffer, read)).is_err() {
                    return;
                }
            }
        });
        Reader { ask, answers, spare: Vec::new() }
    }
}

impl Watched {
    pub(crate) fn new(inner: Arc<dyn Bytes>, deadline: Duration) -> Watched {
        Watched { inner, deadline, reader: Mutex::new(None) }
    }
}

impl Bytes for Watched {
    fn len(&self) -> u64 {
        self.inner.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut guard = self.reader.lock();
        let reader = guard.get_or_insert_with(|| Reader::start(self.inner.clone()));
        let mut own = std::mem::take(&mut reader.spare);
        own.resize(buffer.len(), 0);
        let asked = reader.ask.send((offset, own));
        let answer = match asked {
            Ok(()) => reader.answers.recv_timeout(self.deadline),
            Err(_) => Err(RecvTimeoutError::Disconnected),
        };
        match answer {
            Ok((own, read)) => {
                let count = read?.min(buffer.len());
                buffer[..count].copy_from_slice(&own[..count]);
                reader.spare = own;
                Ok(count)
            }
            Err(why) => {
                *guard = None;
                Err(match why {
                    RecvTimeoutError::Timeout => {
                        let what = format!("a read did not return within {} seconds", self.deadline.as_secs_f32());
                        io::Error::new(io::ErrorKind::TimedOut, what)
                    }
                    RecvTimeoutError::Disconnected => io::Error::other("the thread that reads has ended"),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Never answers for one place.
    struct Stuck(Vec<u8>);

    impl Bytes for Stuck {
        fn len(&self) -> u64 {
            self.0.len() as u64
        }

        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
            if offset == 4 {
                std::thread::sleep(Duration::from_secs(3600));
            }
            self.0.read_at(offset, buffer)
        }
    }

    #[test]
    fn a_stuck_read_is_given_up_and_later_ones_are_not() {
        let watched = Watched::new(Arc::new(Stuck((0..10).collect())), Duration::from_millis(50));
        let mut buffer = [0; 4];
        assert_eq!((watched.read_at(0, &mut buffer).unwrap(), buffer), (4, [0, 1, 2, 3]));
        assert_eq!(watched.read_at(4, &mut buffer).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!((watched.read_at(8, &mut buffer).unwrap(), &buffer[..2]), (2, &[8, 9][..]));
        assert_eq!(watched.read_at(10, &mut buffer).unwrap(), 0);
    }
}
