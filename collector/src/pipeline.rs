//! One long object on several threads: while the next block of it is read, the blocks before it are hashed, each in its
//! turn, and packed, several at once. What comes out is the same for any number of threads.
//!
//! The threads are its own and do nothing else. Whoever brings the blocks works too while it would have to wait; so it does
//! everything itself where there is no other thread, and nobody waits for anything that is not being done.

use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

/// Things made of blocks that are kept for their memory.
const MOST_SPARE: usize = 4;

/// What has to see every block in its turn.
pub(crate) trait Part: Send {
    /// The next block, which lies here in the object.
    fn block(&mut self, offset: u64, block: &[u8]);
}

/// What is made of a block and the one before it. Something that was made before and is needed no more can come with them, for
/// its memory.
pub(crate) type Pack<'a, K> = &'a (dyn Fn(&Arc<Vec<u8>>, Option<&[u8]>, Option<K>) -> io::Result<K> + Sync);

/// Blocks that are filled again once nobody reads them any more. Without it each block would be new memory that another thread
/// frees, and an allocator keeps of such memory many times what is in use.
#[derive(Default)]
pub(crate) struct Buffers(Vec<Arc<Vec<u8>>>);

impl Buffers {
    /// A block to be filled. What is in it does not count.
    pub(crate) fn free(&mut self) -> Vec<u8> {
        let unread = self.0.iter_mut().position(|block| Arc::get_mut(block).is_some());
        unread.and_then(|index| Arc::into_inner(self.0.swap_remove(index))).unwrap_or_default()
    }

    /// A block that is filled, for all who read it.
    pub(crate) fn share(&mut self, block: Vec<u8>) -> Arc<Vec<u8>> {
        let block = Arc::new(block);
        self.0.push(block.clone());
        block
    }
}

/// A block on its way.
struct Slot<K> {
    offset: u64,
    block: Arc<Vec<u8>>,
    before: Option<Arc<Vec<u8>>>,
    packed: Option<io::Result<K>>,
}

struct Queue<P, K> {
    slots: VecDeque<Slot<K>>,
    /// Number of the first block that is still here.
    first: u64,
    /// Each part, where nobody works with it, and the number of the block that it sees next.
    parts: Vec<(Option<P>, u64)>,
    /// The next block to be packed.
    unpacked: u64,
    /// What was made of blocks and given out.
    spare: Vec<K>,
    /// Nothing more will come.
    is_closed: bool,
    /// Somebody gave up in the middle of a block.
    is_broken: bool,
}

/// A piece of work.
enum Work<P, K> {
    See(usize, P, u64, Arc<Vec<u8>>),
    Pack(u64, Arc<Vec<u8>>, Option<Arc<Vec<u8>>>, Option<K>),
}

/// What is common to all threads.
pub(crate) struct Pipeline<'a, P, K> {
    queue: Mutex<Queue<P, K>>,
    changed: Condvar,
    pack: Pack<'a, K>,
    /// Blocks that are on their way at once.
    most: usize,
}

/// Says that somebody gave up, unless it is told that nobody did.
struct Giving<'p, 'a, P: Part, K: Send>(Option<&'p Pipeline<'a, P, K>>);

impl<P: Part, K: Send> Drop for Giving<'_, '_, P, K> {
    fn drop(&mut self) {
        if let Some(pipeline) = self.0 {
            pipeline.queue.lock().is_broken = true;
            pipeline.changed.notify_all();
        }
    }
}

impl<P, K> Queue<P, K> {
    fn slot(&mut self, number: u64) -> Option<&mut Slot<K>> {
        self.slots.get_mut(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// The next piece of work. What has to be done in turn comes first, since everything else can be done beside it.
    fn work(&mut self) -> Option<Work<P, K>> {
        for index in 0..self.parts.len() {
            let (part, number) = &mut self.parts[index];
            let number = *number;
            if part.is_some()
                && let Some(slot) = self.slots.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
            {
                let (offset, block) = (slot.offset, slot.block.clone());
                return Some(Work::See(index, self.parts[index].0.take()?, offset, block));
            }
        }
        let number = self.unpacked;
        let slot = self.slot(number)?;
        let (block, before) = (slot.block.clone(), slot.before.take());
        self.unpacked += 1;
        Some(Work::Pack(number, block, before, self.spare.pop()))
    }

    /// The first block, if everything was done with it.
    fn done(&mut self) -> Option<Slot<K>> {
        let is_done = self.slots.front()?.packed.is_some() && self.parts.iter().all(|(_, next)| *next > self.first);
        if !is_done {
            return None;
        }
        self.first += 1;
        self.slots.pop_front()
    }
}

impl<'a, P: Part, K: Send> Pipeline<'a, P, K> {
    /// With these parts, and so many blocks on their way at once.
    pub(crate) fn new(parts: Vec<P>, pack: Pack<'a, K>, most: usize) -> Self {
        let parts = parts.into_iter().map(|part| (Some(part), 0)).collect();
        let queue = Queue {
            slots: VecDeque::new(),
            first: 0,
            parts,
            unpacked: 0,
            spare: Vec::new(),
            is_closed: false,
            is_broken: false,
        };
        Pipeline { queue: Mutex::new(queue), changed: Condvar::new(), pack, most }
    }

    /// Brings blocks with the help of so many further threads, or of as many as the system gives.
    pub(crate) fn run<R>(&self, helpers: usize, bring: impl FnOnce(Bringing<'_, 'a, P, K>) -> R) -> R {
        std::thread::scope(|scope| {
            let help = |_: &usize| std::thread::Builder::new().spawn_scoped(scope, || self.help()).is_ok();
            let helpers = (0..helpers).filter(help).count();
            let most = if helpers == 0 { 0 } else { self.most.max(1) };
            bring(Bringing { pipeline: self, before: None, most })
        })
    }

    fn help(&self) {
        let mut queue = self.queue.lock();
        while !queue.is_closed && !queue.is_broken {
            match queue.work() {
                Some(work) => queue = self.do_it(work, queue),
                None => self.changed.wait(&mut queue),
            }
        }
    }

    /// Does a piece of work, for which the queue is free.
    fn do_it<'q>(&'q self, work: Work<P, K>, queue: MutexGuard<'q, Queue<P, K>>) -> MutexGuard<'q, Queue<P, K>> {
        drop(queue);
        let mut giving = Giving(Some(self));
        let queue = match work {
            Work::See(index, mut part, offset, block) => {
                part.block(offset, &block);
                drop(block);
                let mut queue = self.queue.lock();
                queue.parts[index].0 = Some(part);
                queue.parts[index].1 += 1;
                queue
            }
            Work::Pack(number, block, before, spare) => {
                let packed = (self.pack)(&block, before.as_deref().map(Vec::as_slice), spare);
                drop((block, before));
                let mut queue = self.queue.lock();
                if let Some(slot) = queue.slot(number) {
                    slot.packed = Some(packed);
                }
                queue
            }
        };
        giving.0 = None;
        self.changed.notify_all();
        queue
    }
}

/// The one that brings the blocks.
pub(crate) struct Bringing<'p, 'a, P: Part, K: Send> {
    pipeline: &'p Pipeline<'a, P, K>,
    /// The block before the next one.
    before: Option<Arc<Vec<u8>>>,
    most: usize,
}

impl<P: Part, K: Send> Bringing<'_, '_, P, K> {
    /// Brings a block. What is done with earlier ones is given out in their order, as far as there is need.
    pub(crate) fn bring(
        &mut self,
        offset: u64,
        block: &Arc<Vec<u8>>,
        out: &mut dyn FnMut(&K) -> io::Result<()>,
    ) -> io::Result<()> {
        let before = self.before.replace(block.clone());
        self.pipeline.queue.lock().slots.push_back(Slot { offset, block: block.clone(), before, packed: None });
        self.pipeline.changed.notify_all();
        self.wait(self.most, out)
    }

    /// Everything is brought: gives out what is left, and the parts.
    pub(crate) fn end(&mut self, out: &mut dyn FnMut(&K) -> io::Result<()>) -> io::Result<Vec<P>> {
        self.wait(0, out)?;
        let mut queue = self.pipeline.queue.lock();
        Ok(queue.parts.iter_mut().filter_map(|(part, _)| part.take()).collect())
    }

    /// Works and gives out until at most so many blocks are on their way.
    fn wait(&mut self, most: usize, out: &mut dyn FnMut(&K) -> io::Result<()>) -> io::Result<()> {
        let pipeline = self.pipeline;
        let mut queue = pipeline.queue.lock();
        loop {
            if queue.is_broken {
                return Err(io::Error::other("a thread gave up in the middle of a block"));
            }
            if let Some(slot) = queue.done() {
                drop(queue);
                let packed = slot.packed.transpose()?;
                if let Some(packed) = &packed {
                    out(packed)?;
                }
                queue = pipeline.queue.lock();
                if queue.spare.len() < MOST_SPARE {
                    queue.spare.extend(packed);
                }
            } else if queue.slots.len() <= most {
                return Ok(());
            } else if let Some(work) = queue.work() {
                queue = pipeline.do_it(work, queue);
            } else {
                pipeline.changed.wait(&mut queue);
            }
        }
    }
}

impl<P: Part, K: Send> Drop for Bringing<'_, '_, P, K> {
    fn drop(&mut self) {
        self.pipeline.queue.lock().is_closed = true;
        self.pipeline.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds up what it sees, in a way in which the order counts.
    #[derive(Default)]
    struct Sum(u64);

    impl Part for Sum {
        fn block(&mut self, offset: u64, block: &[u8]) {
            self.0 = self.0.wrapping_mul(31).wrapping_add(offset + u64::from(block[0]) + block.len() as u64);
        }
    }

    fn run(helpers: usize, most: usize, blocks: u8) -> (Vec<u64>, Vec<(u8, Option<u8>)>) {
        let pack = |block: &Arc<Vec<u8>>, before: Option<&[u8]>, _: Option<_>| {
            // The first take longest, so that a later one is done before them.
            std::thread::sleep(std::time::Duration::from_micros(u64::from(200 - block[0])));
            Ok((block[0], before.map(|before| before[0])))
        };
        let mut out = Vec::new();
        let pipeline = Pipeline::new(vec![Sum(1), Sum(2)], &pack, most);
        let mut keep = |one: &(u8, Option<u8>)| {
            out.push(*one);
            Ok(())
        };
        let parts = pipeline.run(helpers, |mut bringing| {
            for number in 0..blocks {
                let block = Arc::new(vec![number; 10]);
                bringing.bring(u64::from(number) * 10, &block, &mut keep).unwrap();
            }
            bringing.end(&mut keep).unwrap()
        });
        (parts.iter().map(|part| part.0).collect(), out)
    }

    #[test]
    fn a_block_is_filled_again_once_nobody_reads_it() {
        let mut blocks = Buffers::default();
        let first = blocks.share(vec![1; 10]);
        let memory = first.as_ptr();
        assert!(blocks.free().is_empty());
        drop(first);
        let again = blocks.free();
        assert_eq!(again.as_ptr(), memory);
        assert!(blocks.free().is_empty());
    }

    #[test]
    fn every_number_of_threads_gives_the_same_in_the_same_order() {
        let (sums, out) = run(0, 1, 100);
        let expected: Vec<(u8, Option<u8>)> = (0..100u8).map(|number| (number, number.checked_sub(1))).collect();
        assert_eq!(out, expected);
        let sum = |start| (0..100u64).fold(start, |sum: u64, n| sum.wrapping_mul(31).wrapping_add(n * 10 + n + 10));
        assert_eq!(sums, [sum(1), sum(2)]);
        for helpers in [1, 2, 7] {
            for most in [0, 1, 3, 50] {
                assert_eq!(run(helpers, most, 100), (sums.clone(), expected.clone()), "{helpers} {most}");
            }
        }
        assert_eq!(run(3, 3, 0).1, []);
    }

    #[test]
    fn an_error_ends_it_and_leaves_no_thread_behind() {
        let pack = |block: &Arc<Vec<u8>>, _: Option<&[u8]>, _: Option<u8>| match block[0] {
            5 => Err(io::Error::other("five")),
            number => Ok(number),
        };
        for helpers in [0, 1, 4] {
            for refused in [3, 5, 200] {
                let pipeline = Pipeline::<Sum, u8>::new(vec![Sum(0)], &pack, 4);
                let ended = pipeline.run(helpers, |mut bringing| {
                    let mut out = |one: &u8| if *one == refused { Err(io::Error::other("full")) } else { Ok(()) };
                    for number in 0..50 {
                        bringing.bring(0, &Arc::new(vec![number; 10]), &mut out)?;
                    }
                    bringing.end(&mut out).map(|_| ())
                });
                let why = if refused < 5 { "full" } else { "five" };
                assert_eq!(ended.unwrap_err().to_string(), why, "{helpers}");
            }
        }
    }

    #[test]
    fn a_thread_that_gives_up_is_an_error_and_no_hang() {
        struct Panics;
        impl Part for Panics {
            fn block(&mut self, offset: u64, _: &[u8]) {
                assert!(offset < 3, "as expected by this test");
            }
        }
        for helpers in [0, 3] {
            let ended = std::panic::catch_unwind(|| {
                let pipeline = Pipeline::new(vec![Panics], &|_, _, _| Ok(()), 2);
                pipeline.run(helpers, |mut bringing| {
                    let block = Arc::new(vec![0]);
                    (0..10).try_for_each(|at| bringing.bring(at, &block, &mut |_| Ok(())))
                })
            });
            assert!(ended.is_err() || ended.unwrap().is_err(), "{helpers}");
        }
    }
}
