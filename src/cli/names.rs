//! Whom a static program asks for the addresses of names, where a library asks the system: the engine's client does.

/// Makes glibc ask what it brings along, `/etc/hosts` and DNS. What else `/etc/nsswitch.conf` may name is a library of the machine's,
/// which would come into this process with a second libc beside it. Before anything else runs.
pub fn of_this_program() {
    #[cfg(all(target_os = "linux", target_env = "gnu", target_feature = "crt-static"))]
    configure(c"hosts", c"files dns");
}

/// Of glibc, `nss.h`.
///
/// Proof. Both are texts that end with a zero and live as long as the program, and glibc copies what it keeps. It takes a lock of
/// its own; no other thread is there yet. That it could not (no memory) leaves `/etc/nsswitch.conf` in force.
#[cfg(all(target_os = "linux", target_env = "gnu", target_feature = "crt-static"))]
#[expect(unsafe_code, reason = "glibc offers nothing else; proof above")]
fn configure(database: &'static std::ffi::CStr, sources: &'static std::ffi::CStr) {
    unsafe extern "C" {
        fn __nss_configure_lookup(
            database: *const std::ffi::c_char,
            sources: *const std::ffi::c_char,
        ) -> std::ffi::c_int;
    }
    unsafe { __nss_configure_lookup(database.as_ptr(), sources.as_ptr()) };
}
