// SPDX-License-Identifier: Apache-2.0

package imagefile

import (
	"bytes"
	"io"

	"zqublkd/internal/storage"
)

// signature is bytes by which a format is known, at an offset from the start, or
// from the end if that is negative.
type signature struct {
	name   string
	offset int64
	bytes  string
}

// foreign are the formats that qemu-img would find and we can't read, and those
// in which images are handed about.
var foreign = []signature{
	{"a VMDK image", 0, "KDMV"},
	{"a VMDK image", 0, "COWD"},
	{"a VMDK descriptor", 0, "# Disk DescriptorFile"},
	{"a VDI image", 0x40, "\x7f\x10\xda\xbe"},
	{"a VHDX image", 0, "vhdxfile"},
	{"a VHD image", 0, "conectix"},
	{"a VHD image", -512, "conectix"}, // a fixed one has nothing at the start
	{"a QED image", 0, "QED\x00"},
	{"a Parallels image", 0, "WithoutFreeSpace"},
	{"a Parallels image", 0, "WithouFreSpacExt"},
	{"a Bochs image", 0, "Bochs Virtual HD Image"},
	{"a cloop image", 0, "#!/bin/sh\n#V2.0 Format\nmodprobe cloop"},
	{"a DMG image", -512, "koly"},
	{"a LUKS container", 0, "LUKS\xba\xbe"},
	{"gzip data", 0, "\x1f\x8b\x08"},
	{"bzip2 data", 0, "BZh"},
	{"xz data", 0, "\xfd7zXZ\x00"},
	{"zstd data", 0, "\x28\xb5\x2f\xfd"},
	{"LZ4 data", 0, "\x04\x22\x4d\x18"},
	{"a zip archive", 0, "PK\x03\x04"},
	{"a 7z archive", 0, "7z\xbc\xaf\x27\x1c"},
	{"a tar archive", 257, "ustar"},
}

// Foreign names the format that a file, which is no qcow2 image, seems to have;
// empty: nothing speaks against a raw disk. It is a guess from bytes that whoever
// writes the disk may choose: good to refuse by, not to read by.
func Foreign(f storage.File) (string, error) {
	size, err := f.Size()
	if err != nil {
		return "", err
	}
	head, err := piece(f, 0, 512)
	if err != nil {
		return "", err
	}
	tail, err := piece(f, max(size-512, 0), 512)
	if err != nil {
		return "", err
	}
	for _, s := range foreign {
		in, at := head, s.offset
		if at < 0 {
			in, at = tail, at+int64(len(tail))
		}
		if at >= 0 && at < int64(len(in)) && bytes.HasPrefix(in[at:], []byte(s.bytes)) {
			return s.name, nil
		}
	}
	return "", nil
}

// piece reads n bytes, or what there is of them.
func piece(f storage.File, off int64, n int) ([]byte, error) {
	b := make([]byte, n)
	got, err := f.ReadAt(b, off)
	if err == io.EOF {
		err = nil
	}
	return b[:got], err
}
