//! The guest side of the ABI (docs/spec/workload.md): a bump allocator, the output buffer, the status byte.
//!
//! Decided here: how bytes enter and leave a guest. All `unsafe` of the guests is in this file. A job runs in a fresh
//! instance, so nothing is ever freed; a growth of the memory that fails stops the guest, so no result depends on it.

/// Why a job is declined: a code of the guest's specification page and the record or household to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: u8,
    pub index: u32,
}

impl Refusal {
    /// The index where no single record is to blame.
    pub const NOWHERE: u32 = u32::MAX;

    pub const fn new(code: u8, index: u32) -> Self {
        Refusal { code, index }
    }
}

/// What a guest is: input in, output or refusal out.
pub type Job = fn(&[u8], &mut Output) -> Result<(), Refusal>;

/// Reads big-endian integers in order, and knows when the input ends.
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(input: &'a [u8]) -> Self {
        Reader { rest: input }
    }

    pub fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        if count > self.rest.len() {
            return None;
        }
        let (head, rest) = self.rest.split_at(count);
        self.rest = rest;
        Some(head)
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.bytes(1).map(|b| b[0])
    }

    pub fn u32(&mut self) -> Option<u32> {
        let b = self.bytes(4)?;
        Some(u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.bytes(8).map(u64_at_start)
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

fn u64_at_start(b: &[u8]) -> u64 {
    u64::from_be_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]])
}

/// The big-endian u64 at `offset`, which the caller has bounded.
pub fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64_at_start(&bytes[offset..offset + 8])
}

#[cfg(target_arch = "wasm32")]
pub use wasm::{run, scratch, Output};

/// Plain integers, for which all-zero bytes are a value.
///
/// # Safety
/// Implement it for integers only.
pub unsafe trait Integer: Copy + 'static {}
unsafe impl Integer for u32 {}
unsafe impl Integer for u64 {}
unsafe impl Integer for u128 {}

#[cfg(target_arch = "wasm32")]
mod wasm {
    use core::arch::wasm32;

    const PAGE: usize = 65_536;

    extern "C" {
        static __heap_base: u8;
    }

    /// First free byte; 0 until the first reservation.
    static mut NEXT: usize = 0;

    /// Reserves `size` bytes after everything reserved so far; stops the guest when there is no room.
    fn reserve(size: usize, align: usize) -> usize {
        // Safety: a guest has one thread, and neither this function nor its callers re-enter.
        unsafe {
            if NEXT == 0 {
                NEXT = &__heap_base as *const u8 as usize;
            }
            let start = (NEXT + align - 1) & !(align - 1);
            let end = match start.checked_add(size) {
                Some(end) if end <= isize::MAX as usize => end,
                _ => wasm32::unreachable(),
            };
            let have = wasm32::memory_size(0) * PAGE;
            if end > have {
                let pages = (end - have + PAGE - 1) / PAGE;
                if wasm32::memory_grow(0, pages) == usize::MAX {
                    wasm32::unreachable();
                }
            }
            NEXT = end;
            start
        }
    }

    #[no_mangle]
    pub extern "C" fn alloc(length: u32) -> u32 {
        reserve(length as usize, 16) as u32
    }

    /// `count` zeros to work in: memory that nothing has written is zero. Not to be called after `Output::begin`.
    pub fn scratch<T: super::Integer>(count: usize) -> &'static mut [T] {
        let size = match count.checked_mul(core::mem::size_of::<T>()) {
            Some(size) => size,
            None => wasm32::unreachable(),
        };
        let start = reserve(size, 16);
        // Safety: the bytes are reserved for this slice alone, aligned, and a value of T, since T is an integer.
        unsafe { core::slice::from_raw_parts_mut(start as *mut T, count) }
    }

    /// Bytes that the host will copy: one growing run at the end of the memory.
    #[derive(Default)]
    pub struct Output {
        start: usize,
        length: usize,
    }

    impl Output {
        /// Opens the output with the status byte of a result; nothing else may be reserved from here on.
        pub fn begin(&mut self) {
            self.open(0);
        }

        /// Opens the output anew with a refusal: whatever was in it is gone.
        pub fn refuse(&mut self, refusal: super::Refusal) {
            self.open(1);
            self.push(&[refusal.code]);
            self.push(&refusal.index.to_be_bytes());
        }

        fn open(&mut self, status: u8) {
            self.start = reserve(0, 1);
            self.length = 0;
            self.push(&[status]);
        }

        pub fn push(&mut self, bytes: &[u8]) {
            let at = self.extend(bytes.len());
            // Safety: `extend` returned `bytes.len()` writable bytes that nothing else uses.
            unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), at as *mut u8, bytes.len()) };
        }

        /// Appends `count` zeros: the run only ever extends into memory that nothing has written.
        pub fn push_zeros(&mut self, count: usize) {
            self.extend(count);
        }

        fn extend(&mut self, count: usize) -> usize {
            let at = reserve(count, 1);
            if at != self.start + self.length {
                wasm32::unreachable();
            }
            self.length += count;
            at
        }

        pub fn length(&self) -> usize {
            self.length
        }

        pub fn bytes_mut(&mut self) -> &mut [u8] {
            // Safety: the run was reserved by `extend` and is borrowed through `self` only.
            unsafe { core::slice::from_raw_parts_mut(self.start as *mut u8, self.length) }
        }
    }

    /// Runs a job on what the host wrote: the job's output, or its refusal.
    pub fn run(pointer: u32, length: u32, job: super::Job) -> u64 {
        // Safety: the host calls `run` with the range that it got from `alloc`, and nothing else is in it.
        let input = unsafe { core::slice::from_raw_parts(pointer as *const u8, length as usize) };
        let mut output = Output::default();
        if let Err(refusal) = job(input, &mut output) {
            output.refuse(refusal);
        }
        (output.start as u64) << 32 | output.length as u64
    }

    #[panic_handler]
    fn panic(_: &core::panic::PanicInfo) -> ! {
        wasm32::unreachable()
    }
}

/// On other targets, for tests: zeros on the heap.
#[cfg(not(target_arch = "wasm32"))]
pub fn scratch<T: Integer>(count: usize) -> &'static mut [T] {
    // Safety: `Integer` promises that zero bytes are a value.
    Box::leak(vec![unsafe { core::mem::zeroed() }; count].into_boxed_slice())
}

/// On other targets, for tests: the same interface over a vector.
#[cfg(not(target_arch = "wasm32"))]
#[derive(Default)]
pub struct Output(Vec<u8>);

#[cfg(not(target_arch = "wasm32"))]
impl Output {
    pub fn begin(&mut self) {
        self.0 = vec![0];
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub fn push_zeros(&mut self, count: usize) {
        self.0.resize(self.0.len() + count, 0);
    }

    pub fn length(&self) -> usize {
        self.0.len()
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}
