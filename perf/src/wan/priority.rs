//! A network does not wait for a processor: what plays its part here must not either.

use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};

/// Lets the calling thread run before everything that is measured, where the account may do that (`CAP_SYS_NICE`).
///
/// Where it may not, the trial of the link tells whether that matters. Real time, because a niceness means nothing between
/// sessions whose processes the kernel groups.
pub fn precede() {
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
    let _ = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy);
}
