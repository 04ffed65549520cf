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
pub use wasm::{output, Output};

#[cfg(target_arch = "wasm32")]
mod wasm {
    use core::arch::wasm32;

    const PAGE: usize = 65_536;

    extern "C" {
        static __heap_base: u8;
    }

    /// First free byte; 0 until the first allocation.
    static mut NEXT: usize = 0;

    /// Reserves `size` bytes after everything reserved so far; stops the guest when there is no room.
    fn reserve(size: usize) -> usize {
        // Safety: a guest has one thread, and neither this function nor its callers re-enter.
        unsafe {
            if NEXT == 0 {
                NEXT = (&__heap_base as *const u8 as usize + 15) & !15;
            }
            let start = NEXT;
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
        reserve(length as usize) as u32
    }

    /// Bytes that the host will copy: one growing run at the end of the memory.
    pub struct Output {
        start: usize,
        length: usize,
    }

    /// Opens the output; nothing else may be reserved until it is finished.
    pub fn output() -> Output {
        Output {
            start: reserve(0),
            length: 0,
        }
    }

    impl Output {
        pub fn push(&mut self, bytes: &[u8]) {
            let at = reserve(bytes.len());
            // Safety: `reserve` returned `bytes.len()` writable bytes, directly after the run, that nothing else uses.
            unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), at as *mut u8, bytes.len()) };
            self.length += bytes.len();
        }

        pub fn length(&self) -> usize {
            self.length
        }

        pub fn bytes_mut(&mut self) -> &mut [u8] {
            // Safety: the run was reserved by `push` and is borrowed through `self` only.
            unsafe { core::slice::from_raw_parts_mut(self.start as *mut u8, self.length) }
        }

        /// Empties the output, keeping its room.
        pub fn clear(&mut self) {
            self.length = 0;
            // Safety: one thread; the run is the last reservation, so its room can be used again.
            unsafe { NEXT = self.start };
        }

        pub fn packed(&self) -> u64 {
            (self.start as u64) << 32 | self.length as u64
        }
    }

    /// The input as the host wrote it.
    ///
    /// # Safety
    /// `pointer` and `length` are what `alloc` returned and was asked for.
    pub unsafe fn input<'a>(pointer: u32, length: u32) -> &'a [u8] {
        core::slice::from_raw_parts(pointer as *const u8, length as usize)
    }

    #[panic_handler]
    fn panic(_: &core::panic::PanicInfo) -> ! {
        wasm32::unreachable()
    }
}

/// On other targets, for tests: the same interface over a vector.
#[cfg(not(target_arch = "wasm32"))]
#[derive(Default)]
pub struct Output(Vec<u8>);

#[cfg(not(target_arch = "wasm32"))]
impl Output {
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub fn length(&self) -> usize {
        self.0.len()
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// Runs a job: status byte 0 and what `job` pushed, or 1 and the refusal.
#[cfg(target_arch = "wasm32")]
pub fn run(pointer: u32, length: u32, job: fn(&[u8], &mut Output) -> Result<(), Refusal>) -> u64 {
    // Safety: the host calls `run` with the range it got from `alloc`.
    let input = unsafe { wasm::input(pointer, length) };
    let mut output = output();
    output.push(&[0]);
    if let Err(refusal) = job(input, &mut output) {
        output.clear();
        output.push(&[1, refusal.code]);
        output.push(&refusal.index.to_be_bytes());
    }
    output.packed()
}
