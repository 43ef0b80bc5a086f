//! The exports of engine.wasm. The module imports nothing: it has no clock, no randomness and no way to print.
//!
//! ```text
//! room(len) -> at     the caller writes `len` bytes at `at`: a Call, as Postcard
//! call(len) -> at     u32 little-endian n, then n bytes: Result<Reply, Fault>, as Postcard
//! room(0)             wipes them
//! ```
//!
//! A panic is a trap. The caller then makes a new instance; no state is lost, because the module keeps none.

#![expect(unsafe_code, reason = "exported names need the attribute `no_mangle`; no pointer is followed")]

use std::sync::{Mutex, MutexGuard, PoisonError};

use kez_core::mls::call::Call;
use kez_core::mls::reply::{Fault, Reply};
use zeroize::Zeroize;

/// The bytes that both sides see. It is the only memory that survives a call.
static ROOM: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Makes room for a call of `len` bytes and wipes what was there.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn room(len: usize) -> *mut u8 {
    let mut room = lock();
    room.zeroize();
    *room = vec![0; len];
    room.as_mut_ptr()
}

/// Performs the call that stands in the room, and puts the answer there.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn call(len: usize) -> *const u8 {
    let mut room = lock();
    let reply = answer(room.get(..len).unwrap_or_default());
    room.zeroize();
    *room = reply;
    room.as_ptr()
}

fn answer(call: &[u8]) -> Vec<u8> {
    let reply: Result<Reply, Fault> = postcard::from_bytes::<Call>(call)
        .map_err(|_| Fault::Malformed)
        .and_then(|call| crate::engine::call(&call));
    let begin = 0_u32.to_le_bytes().to_vec();
    let mut bytes = postcard::to_extend(&reply, begin).unwrap_or_default();
    let length = u32::try_from(bytes.len().saturating_sub(4)).unwrap_or_default();
    for (to, from) in bytes.iter_mut().zip(length.to_le_bytes()) {
        *to = from;
    }
    bytes
}

fn lock() -> MutexGuard<'static, Vec<u8>> {
    ROOM.lock().unwrap_or_else(PoisonError::into_inner)
}
