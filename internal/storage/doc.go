// Package storage is the file under an image: a regular file or a block
// device ([OSFile]), memory for tests ([Mem]), and a recorder that can fail,
// crash, tear and reorder ([Recorder]).
//
// It knows bytes and offsets, nothing of image formats.
//
// # Two descriptors
//
// An OSFile has a page-cache descriptor, which serves every method of [File],
// and, when asked for and possible, an O_DIRECT|O_NONBLOCK descriptor for rings
// that move guest data. Both see the same bytes: the kernel keeps the page
// cache and direct I/O coherent as long as nobody maps the file.
//
// # Image lock
//
// Open takes open-file-description locks in the byte ranges QEMU uses, so two
// of our processes exclude each other and so do QEMU and we. The locks sit on
// both descriptors: a lock goes away with the last reference to its file
// description, and asynchronous I/O holds one, so a successor that gets the
// lock knows that the last transfer of a killed owner has ended.
//
// # Invariants
//
//   - ReadAt and WriteAt transfer everything or return an error; interrupted
//     and short system calls are continued.
//   - A hole punched successfully reads as zeros. What can't promise that
//     returns [ErrNotSupported].
//   - No method panics on bad offsets or lengths.
//   - After Settle, memory shows nothing of a file that its disk may not have.
//
// Methods of one File may be called concurrently, Close excepted.
//
// Facts come from the manual pages fcntl(2), statx(2), fallocate(2), lseek(2),
// proc_pid_fdinfo(5), from include/uapi/linux/fs.h for block devices, and from
// observing the lock bytes of a running QEMU in /proc/locks.
package storage
