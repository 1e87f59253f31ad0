//! What a store refuses by itself, before or without the operating system. Each says its own remedy.

/// The cause inside an [`Error`](crate::Error) that no system call raised.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("not a key: {0}; a key is a relative path such as `c/0/0`")]
    Key(&'static str),
    #[error("the append states byte {stated}, but {appended} bytes were appended so far; append in order")]
    OutOfOrder { stated: u64, appended: u64 },
    #[error(
        "an append of {length} bytes is not a multiple of this store's page of {alignment} bytes; \
         append whole pages, and state the true length at the end"
    )]
    BrokenPage { length: u64, alignment: u64 },
    #[error(
        "the bytes of an append are at the address {address:#x}, {past} bytes past a page of memory, but \
         this store takes bytes at multiples of {alignment}; append from memory that is aligned to it"
    )]
    Unaligned { address: usize, past: u64, alignment: u64 },
    #[error("a length of {length} bytes was stated, but only {appended} were appended")]
    BeyondEnd { length: u64, appended: u64 },
    #[error("the object is under construction already; finalize or drop that one first")]
    UnderConstruction,
    #[error("bytes up to {end} were asked for, but the object has {size}")]
    Short { end: u64, size: u64 },
    #[error("the range ends before it starts")]
    Inverted,
    #[error("no such object")]
    Absent,
    #[error("the store was closed; keep it until its objects are finalized")]
    Closed,
    #[error("the owner of the part panicked while it was written")]
    Panicked,
    #[error(
        "the file system of {folder} cannot do direct I/O ({cause}); write without direct I/O, or to \
         another disk"
    )]
    NoDirect { folder: String, cause: std::io::Error },
    #[error(
        "the disk took only {taken} bytes of a page of {page}, twice; it may be full: free space on it, or \
         write the store elsewhere"
    )]
    HalfPage { taken: usize, page: usize },
    #[error("the store needs at least one I/O thread")]
    NoThreads,
    #[error("the path is a symbolic link; name the folder that it points to, or remove the link")]
    Link,
    #[error("the path does not end in a folder's name; give the folder's full path")]
    Nameless,
    #[error("that is not a folder; choose another path, or remove it yourself")]
    NotAFolder,
    #[error(
        "the folder has no file `{0}` directly in it, so it may not be a store; \
         choose another path, or remove it yourself"
    )]
    NotAStore(String),
    #[error("failure injected by a test")]
    Injected,
}
