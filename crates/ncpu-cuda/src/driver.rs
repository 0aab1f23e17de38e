//! The functions of the driver's library that are used here.
//!
//! `cudarc` has the types. Its functions are not used: they panic when the library or a function is
//! missing, and they return results as a Rust enum, which a newer driver's codes would not fit.

// SAFETY of this module: the functions have the signatures that `cuda.h` declares, and what a caller
// passes is up to the caller.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::ptr::null;
use std::sync::OnceLock;

use cudarc::driver::sys::{
    CUcontext, CUdevice, CUdevice_attribute, CUdeviceptr, CUevent, CUfunc_cache, CUfunction,
    CUfunction_attribute, CUjit_option, CUjitInputType, CUlimit, CUlinkState, CUmodule, CUstream,
};
use libloading::Library;

use crate::{CudaError, Failure, Result};

/// Where Linux drivers and WSL put it: the first is the driver's interface, the second a link that
/// development packages add.
const LIBRARIES: [&str; 2] = ["libcuda.so.1", "libcuda.so"];

/// CUDA 12.0, which drivers from 525 on support.
const NEEDED: u32 = 12_000;

/// CUDA versions are 1000 × major + 10 × minor.
pub(crate) fn version(number: u32) -> String {
    format!("{}.{}", number / 1000, number % 1000 / 10)
}

macro_rules! functions {
    ($($name:ident = $symbol:literal ($($argument:ident: $type:ty),*);)*) => {
        /// The driver's functions.
        pub(crate) struct Driver {
            $($name: unsafe extern "C" fn($($type),*) -> u32,)*
            /// Keeps the functions where they are.
            _library: Library,
        }

        #[allow(dead_code, reason = "failures call two of them by their pointers")]
        #[allow(clippy::too_many_arguments, reason = "the driver API has them")]
        impl Driver {
            fn resolve(library: Library) -> Result<Driver> {
                Ok(Driver {
                    $($name: {
                        // SAFETY: this is the function's signature.
                        let function = unsafe { library.get(concat!($symbol, "\0").as_bytes()) };
                        *function.map_err(|_| CudaError::NoFunction { function: $symbol })?
                    },)*
                    _library: library,
                })
            }

            $(
                #[doc = concat!("Calls `", $symbol, "`.\n\n# Safety\nAs the driver API demands.")]
                pub(crate) unsafe fn $name(&self, $($argument: $type),*) -> Result<(), Failure> {
                    // SAFETY: the caller's promise.
                    let code = unsafe { (self.$name)($($argument),*) };
                    if code == 0 { Ok(()) } else { Err(self.failure($symbol, code)) }
                }
            )*
        }
    };
}

functions! {
    init = "cuInit" (flags: c_uint);
    driver_version = "cuDriverGetVersion" (version: *mut c_int);
    error_name = "cuGetErrorName" (code: u32, name: *mut *const c_char);
    error_text = "cuGetErrorString" (code: u32, text: *mut *const c_char);
    device_count = "cuDeviceGetCount" (count: *mut c_int);
    device = "cuDeviceGet" (device: *mut CUdevice, ordinal: c_int);
    device_name = "cuDeviceGetName" (name: *mut c_char, length: c_int, device: CUdevice);
    device_attribute = "cuDeviceGetAttribute"
        (value: *mut c_int, attribute: CUdevice_attribute, device: CUdevice);
    context_create = "cuCtxCreate_v2" (context: *mut CUcontext, flags: c_uint, device: CUdevice);
    context_destroy = "cuCtxDestroy_v2" (context: CUcontext);
    context_set_current = "cuCtxSetCurrent" (context: CUcontext);
    context_get_limit = "cuCtxGetLimit" (value: *mut usize, limit: CUlimit);
    context_set_limit = "cuCtxSetLimit" (limit: CUlimit, value: usize);
    memory_info = "cuMemGetInfo_v2" (free: *mut usize, total: *mut usize);
    memory_alloc = "cuMemAlloc_v2" (address: *mut CUdeviceptr, bytes: usize);
    memory_free = "cuMemFree_v2" (address: CUdeviceptr);
    host_alloc = "cuMemHostAlloc" (address: *mut *mut c_void, bytes: usize, flags: c_uint);
    copy_to_device = "cuMemcpyHtoDAsync_v2"
        (to: CUdeviceptr, from: *const c_void, bytes: usize, stream: CUstream);
    copy_to_host = "cuMemcpyDtoHAsync_v2"
        (to: *mut c_void, from: CUdeviceptr, bytes: usize, stream: CUstream);
    fill = "cuMemsetD8Async" (at: CUdeviceptr, byte: u8, bytes: usize, stream: CUstream);
    stream_create = "cuStreamCreate" (stream: *mut CUstream, flags: c_uint);
    stream_synchronize = "cuStreamSynchronize" (stream: CUstream);
    event_create = "cuEventCreate" (event: *mut CUevent, flags: c_uint);
    event_record = "cuEventRecord" (event: CUevent, stream: CUstream);
    event_synchronize = "cuEventSynchronize" (event: CUevent);
    event_elapsed = "cuEventElapsedTime" (milliseconds: *mut f32, from: CUevent, to: CUevent);
    link_create = "cuLinkCreate_v2"
        (count: c_uint, options: *mut CUjit_option, values: *mut *mut c_void, state: *mut CUlinkState);
    link_add = "cuLinkAddData_v2"
        (state: CUlinkState, kind: CUjitInputType, data: *mut c_void, bytes: usize,
         name: *const c_char, count: c_uint, options: *mut CUjit_option, values: *mut *mut c_void);
    link_complete = "cuLinkComplete"
        (state: CUlinkState, cubin: *mut *mut c_void, bytes: *mut usize);
    link_destroy = "cuLinkDestroy" (state: CUlinkState);
    module_load = "cuModuleLoadData" (module: *mut CUmodule, image: *const c_void);
    module_function = "cuModuleGetFunction"
        (function: *mut CUfunction, module: CUmodule, name: *const c_char);
    function_attribute = "cuFuncGetAttribute"
        (value: *mut c_int, attribute: CUfunction_attribute, function: CUfunction);
    function_set_attribute = "cuFuncSetAttribute"
        (function: CUfunction, attribute: CUfunction_attribute, value: c_int);
    function_set_cache = "cuFuncSetCacheConfig" (function: CUfunction, cache: CUfunc_cache);
    launch = "cuLaunchKernel"
        (function: CUfunction, grid_x: c_uint, grid_y: c_uint, grid_z: c_uint, block_x: c_uint,
         block_y: c_uint, block_z: c_uint, shared_bytes: c_uint, stream: CUstream,
         parameters: *mut *mut c_void, extra: *mut *mut c_void);
}

impl Driver {
    /// Loads the driver's library, once for the process: it does not survive being unloaded.
    pub(crate) fn load() -> Result<&'static Driver> {
        static DRIVER: OnceLock<Driver> = OnceLock::new();
        if let Some(driver) = DRIVER.get() {
            return Ok(driver);
        }
        let driver = Driver::resolve(library(&LIBRARIES)?)?;
        let found = driver.cuda_version()?;
        if found < NEEDED {
            return Err(CudaError::DriverTooOld { found, needed: NEEDED });
        }
        Ok(DRIVER.get_or_init(|| driver))
    }

    /// The highest CUDA version that the driver supports, as 1000 × major + 10 × minor.
    pub(crate) fn cuda_version(&self) -> Result<u32> {
        let mut number = 0;
        // SAFETY: it writes one number.
        unsafe { self.driver_version(&mut number)? };
        Ok(u32::try_from(number).unwrap_or(0))
    }

    fn failure(&self, call: &'static str, code: u32) -> Failure {
        let mut name = null();
        let mut text = null();
        // SAFETY: both write a pointer to a static string, or null for an unknown code.
        unsafe {
            (self.error_name)(code, &mut name);
            (self.error_text)(code, &mut text);
        }
        Failure {
            call,
            code,
            name: string(name).unwrap_or_else(|| format!("error {code}")),
            text: string(text).unwrap_or_else(|| "unknown error".to_owned()),
        }
    }
}

fn string(text: *const c_char) -> Option<String> {
    // SAFETY: the driver's strings live as long as its library.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

fn library(names: &'static [&'static str]) -> Result<Library> {
    let mut reason = String::new();
    for name in names {
        // SAFETY: the driver's library may be loaded by any program.
        match unsafe { Library::new(*name) } {
            Ok(library) => return Ok(library),
            Err(error) => reason = error.to_string(),
        }
    }
    Err(CudaError::NoDriver { tried: names, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_is_an_error_with_its_names() {
        let error = library(&["libno-such-driver.so.1", "libno-such-driver.so"]).err().unwrap();
        let text = error.to_string();
        assert!(text.contains("libno-such-driver.so.1 or libno-such-driver.so"), "{text}");
        assert!(text.contains("--engine cpu"), "{text}");
    }

    #[test]
    fn a_library_without_the_functions_is_an_error() {
        let libc = library(&["libc.so.6"]).unwrap();
        let error = Driver::resolve(libc).err().unwrap();
        assert!(matches!(error, CudaError::NoFunction { function: "cuInit" }), "{error}");
    }

    #[test]
    fn versions_read_as_nvidia_prints_them() {
        assert_eq!(version(12_000), "12.0");
        assert_eq!(version(13_010), "13.1");
    }
}
