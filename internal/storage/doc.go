// SPDX-License-Identifier: Apache-2.0

// Package storage is the file under an image: a regular file or a block
// device ([OSFile]). Files that fail, tear and lose power are in storagetest.
//
// It knows bytes and offsets, nothing of image formats.
//
// # Two descriptors
//
// An OSFile has a page-cache descriptor, which serves every method of [File],
// and, when asked for and possible, an O_DIRECT|O_NONBLOCK descriptor.
//
// Both show the same bytes, but the kernel promises nothing to those who write to
// one page by both at the same time: a direct write that finds its page dirty
// again when it ends makes the next fdatasync fail (a file), or is overwritten by
// the older page without a word (a block device). So there is one rule, and
// [Way] is where it is kept:
//
//   - Metadata is read and written by the page-cache descriptor.
//   - The bytes of data are read and written by one descriptor, the one that the
//     Way of their file has, whoever moves them: guest data on a ring, copies on
//     write, zeros where no hole can be punched, the rest of a short transfer.
//   - That is the direct one only if no unit of the page cache (a page, a block
//     of the file system) holds both data and metadata, and every transfer of the
//     image is a multiple of what direct I/O needs. Otherwise all data of the
//     image goes through the page cache, as it does where nobody asked for direct
//     I/O.
//   - Holes are punched by fallocate, which the kernel orders against both.
//   - What nobody writes (a backing file, compressed clusters) may be read by
//     either.
//   - Data and metadata change places only while nothing refers to a cluster and
//     after a flush, so that no transfer of the former is under way.
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
