//! Which kernel this process uses.

use crate::{Kernel, Scalar};

/// A kernel that this processor can run.
#[derive(Clone, Copy, Debug)]
pub enum Simd {
    /// One lane, everywhere.
    Scalar(Scalar),
    /// Four lanes.
    #[cfg(target_arch = "x86_64")]
    Avx2(crate::Avx2),
    /// Eight lanes.
    #[cfg(target_arch = "x86_64")]
    Avx512(crate::Avx512),
    /// Two lanes.
    #[cfg(target_arch = "aarch64")]
    Neon(crate::Neon),
}

/// Work for a kernel of any number of lanes.
pub trait Task {
    /// What the work yields.
    type Output;

    /// Does it.
    fn run<const LANES: usize>(self, kernel: impl Kernel<LANES>) -> Self::Output;
}

/// A kernel was named that this processor or this build has not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimdUnavailable {
    /// The name asked for.
    pub asked: String,
}

impl Simd {
    /// Every kernel of this processor, the widest first; the last is `Scalar`.
    pub fn available() -> Vec<Self> {
        let mut found = Vec::with_capacity(3);
        #[cfg(target_arch = "x86_64")]
        {
            found.extend(crate::Avx512::detect().map(Self::Avx512));
            found.extend(crate::Avx2::detect().map(Self::Avx2));
        }
        #[cfg(target_arch = "aarch64")]
        found.extend(crate::Neon::detect().map(Self::Neon));
        found.push(Self::Scalar(Scalar));
        found
    }

    /// The widest kernel of this processor.
    pub fn best() -> Self {
        Self::available().first().copied().unwrap_or(Self::Scalar(Scalar))
    }

    /// The kernel of that name: `scalar`, `avx2`, `avx512` or `neon`.
    pub fn named(name: &str) -> Result<Self, SimdUnavailable> {
        let mut found = Self::available().into_iter();
        found.find(|simd| simd.name() == name).ok_or_else(|| SimdUnavailable { asked: name.to_owned() })
    }

    /// The name that forces this kernel.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar(_) => "scalar",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => "avx512",
            #[cfg(target_arch = "aarch64")]
            Self::Neon(_) => "neon",
        }
    }

    /// Hands a kernel of one lane to `task`, in the registers that are fastest for a single state on this processor.
    #[inline]
    pub fn run_one<T: Task>(self, task: T) -> T::Output {
        #[cfg(target_arch = "x86_64")]
        if let (Self::Avx512(_), Some(kernel)) = (self, crate::Avx512One::detect()) {
            return task.run(kernel);
        }
        task.run(Scalar)
    }

    /// Hands the kernel itself to `task`, which is so compiled once for each number of lanes.
    #[inline]
    pub fn run<T: Task>(self, task: T) -> T::Output {
        match self {
            Self::Scalar(kernel) => task.run(kernel),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(kernel) => task.run(kernel),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(kernel) => task.run(kernel),
            #[cfg(target_arch = "aarch64")]
            Self::Neon(kernel) => task.run(kernel),
        }
    }
}
