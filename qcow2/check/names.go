// SPDX-License-Identifier: Apache-2.0

package check

import (
	"math"
	"slices"
	"strings"

	"zqublkd/qcow2/format"
)

const (
	cryptMethodField     = 32 // byte offset in the header
	snapshotsOffsetField = 64

	cryptLUKS       = 2
	encryptionBytes = 16 // of the encryption header extension
	maxFormatName   = 15 // bytes, as QEMU has it
)

// backingFormats are the drivers of QEMU that a backing file can be opened with.
var backingFormats = []string{"raw", "qcow2", "qcow", "qed", "vmdk", "vdi", "vpc", "vhdx", "parallels", "bochs",
	"cloop",
	"dmg", "vvfat", "luks", "file", "host_device", "host_cdrom", "nbd", "http", "https", "ftp", "ftps", "ssh", "iscsi",
	"rbd", "gluster", "nfs", "nvme", "null-co", "null-aio", "blkdebug", "blkverify", "quorum", "throttle",
	"copy-on-read"}

// checkNames judges what the header says without referring to clusters, and for
// which no QEMU opens the image.
func (c *checker) checkNames() error {
	if at := c.h.SnapshotsOffset; c.h.SnapshotCount == 0 && (c.g.InCluster(at) != 0 || at > math.MaxInt64) {
		c.corruption(snapshotsOffsetField, "the header puts the snapshot table at %#x, which is no start of a cluster, though there are no snapshots", at)
	}
	c.checkEncryption()
	c.checkBackingFormat()
	c.checkDataFile()
	return nil
}

// checkEncryption: the method is known, and LUKS has its extension and nobody else.
func (c *checker) checkEncryption() {
	method, found := c.h.CryptMethod, format.FindExtensions(c.h.Extensions, format.ExtEncryption)
	switch {
	case method > cryptLUKS:
		c.corruption(cryptMethodField, "the header says the disk is encrypted by method %d, which is unknown", method)
	case method == cryptLUKS && len(found) == 0:
		c.corruption(cryptMethodField, "the header says the disk is encrypted by LUKS, and has no encryption header extension")
	case method != cryptLUKS && len(found) > 0:
		c.corruption(cryptMethodField, "the header has an encryption header extension, and its encryption method is %d, not LUKS", method)
	}
	for _, data := range found {
		if len(data) != encryptionBytes {
			c.corruption(0, "the encryption header extension has %d bytes, not %d", len(data), encryptionBytes)
		}
	}
}

func (c *checker) checkBackingFormat() {
	for _, data := range format.FindExtensions(c.h.Extensions, format.ExtBackingFormat) {
		name, _, _ := strings.Cut(string(data), "\x00")
		switch {
		case len(data) > maxFormatName:
			c.corruption(0, "the backing file format has a name of %d bytes, at most %d are allowed", len(data), maxFormatName)
		case c.h.BackingFile != "" && name != "" && !slices.Contains(backingFormats, name):
			c.corruption(0, "the backing file has the format %q, which is unknown", name)
		}
	}
}

// checkDataFile says that the data is elsewhere. Whether that file is there is
// for whoever may follow its name.
func (c *checker) checkDataFile() {
	if !c.g.External {
		return
	}
	switch name := c.h.DataFile(); {
	case name == "":
		c.corruption(0, "the image keeps its data in an external data file and does not name it")
	case strings.ContainsRune(name, 0):
		c.corruption(0, "the name of the external data file, %q, is none a file has", name)
	}
}
