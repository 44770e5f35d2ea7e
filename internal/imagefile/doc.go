// SPDX-License-Identifier: Apache-2.0

// Package imagefile opens an image at a path together with the files it names:
// its backing files and its external data file.
//
// A name found in an image comes from whoever wrote the image, a guest perhaps.
// So none is followed unless the caller allows it; then it leads to a regular file
// or a block device, beside the image or anywhere the caller may read, and to
// nothing else: no protocol, no option but the format.
//
// # Invariants
//
//   - Each file is opened once; a chain that leads back to a file of its own is
//     refused.
//   - Backing files are opened for reading and locked against writers, as QEMU
//     does.
//   - Whether a backing file is an image or raw bytes is what the image says. Where
//     it says nothing, a file that looks like an image and names more files is
//     refused: the bytes may be those of a guest.
//   - Close closes every file, the image's own last.
package imagefile
