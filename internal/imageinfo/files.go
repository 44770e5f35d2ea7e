// SPDX-License-Identifier: Apache-2.0

package imageinfo

import (
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"zqublkd/internal/imagefile"
	"zqublkd/internal/printable"
	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
)

// specificInfo is what only qcow2 images have, as qemu-img info tells it.
type specificInfo struct {
	Type string        `json:"type"`
	Data qcow2Specific `json:"data"`
}

type qcow2Specific struct {
	Compat       string `json:"compat"`
	Compression  string `json:"compression-type"`
	Lazy         bool   `json:"lazy-refcounts"`
	RefcountBits uint64 `json:"refcount-bits"`
	Corrupt      bool   `json:"corrupt"`
	ExtendedL2   bool   `json:"extended-l2"`
	DataFile     string `json:"data-file,omitempty"`
	DataFileFull string `json:"full-data-file,omitempty"`
	DataFileRaw  bool   `json:"data-file-raw,omitempty"`
}

type snapshotInfo struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	VMStateSize uint64 `json:"vm-state-size"`
	DateSec     int64  `json:"date-sec"`
	DateNsec    int    `json:"date-nsec"`
	ClockSec    int64  `json:"vm-clock-sec"`
	ClockNsec   int64  `json:"vm-clock-nsec"`
}

func specificOf(h *format.Header) specificInfo {
	compat := map[uint32]string{2: "0.10", 3: "1.1"}[h.Version]
	return specificInfo{"qcow2", qcow2Specific{
		Compat: compat, Compression: h.Compression.String(), RefcountBits: 1 << h.RefcountOrder,
		Lazy:       h.Compatible&format.CompatLazyRefcounts != 0,
		Corrupt:    h.Incompatible&format.IncompatCorrupt != 0,
		ExtendedL2: h.Incompatible&format.IncompatExtendedL2 != 0,
	}}
}

// features lists what is not the same in every image.
func (s qcow2Specific) features() string {
	text := ""
	for _, f := range []struct {
		has  bool
		name string
	}{{s.ExtendedL2, "extended L2 entries"}, {s.Compression != "zlib", s.Compression + " compression"},
		{s.Lazy, "lazy refcounts"}, {s.Corrupt, "marked corrupt"}} {
		if f.has {
			text += ", " + f.name
		}
	}
	return text
}

// nameFiles says which other files the image names, and where these names lead.
// Nothing is opened.
func (i *Info) nameFiles(path string, h *format.Header) {
	if i.Backing = h.BackingFile; i.Backing != "" {
		i.BackingFormat, i.FullBacking = h.BackingFormat(), whereTo(path, i.Backing)
	}
	if d := &i.Specific.Data; h.Incompatible&format.IncompatDataFile != 0 {
		d.DataFile, d.DataFileRaw = h.DataFile(), h.RawData()
		d.DataFileFull = whereTo(path, d.DataFile)
	}
}

// whereTo is the path a name found in an image leads to, empty if to none.
func whereTo(image, name string) string {
	path, err := imagefile.Resolve(name, filepath.Dir(image))
	if err != nil {
		return ""
	}
	return path
}

// maxListed bounds the snapshots that are listed; more are only counted.
const maxListed = 1000

func (i *Info) listSnapshots(img *qcow2.Image) {
	more := 0
	err := img.EachSnapshot(func(s format.Snapshot) error {
		if len(i.Snapshots) >= maxListed {
			more++
			return nil
		}
		i.Snapshots = append(i.Snapshots, snapshotInfo{
			ID: s.ID, Name: s.Name, VMStateSize: s.VMState, DateSec: s.Date.Unix(), DateNsec: s.Date.Nanosecond(),
			ClockSec: int64(s.VMClock / time.Second), ClockNsec: int64(s.VMClock % time.Second),
		})
		return nil
	})
	if more > 0 {
		i.Notes = append(i.Notes, fmt.Sprintf("%d snapshots more are not listed", more))
	}
	if err != nil {
		i.Notes = append(i.Notes, err.Error())
	}
}

func (i *Info) printFiles(row func(label, format string, args ...any)) {
	if i.Backing != "" {
		row("backing file", "%s (format %s), at %s; followed with --allow-backing", printable.Text(i.Backing), orUnknown(i.BackingFormat), orUnknown(i.FullBacking))
	}
	if d := i.Specific.Data; d.DataFileFull != "" || d.DataFile != "" {
		raw := ""
		if d.DataFileRaw {
			raw = ", a raw image in itself"
		}
		row("data file", "%s, at %s%s; followed with --allow-data-file", printable.Text(d.DataFile), orUnknown(d.DataFileFull), raw)
	}
	for _, s := range i.Snapshots {
		row("snapshot", "%s %q of %s, memory of %d bytes", printable.Text(s.ID), s.Name,
			time.Unix(s.DateSec, 0).UTC().Format(time.RFC3339), s.VMStateSize)
	}
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return printable.Text(s)
}

// allocated is the space a file takes, in bytes; of a device its size.
func allocated(f storage.File) int64 {
	var st unix.Stat_t
	if err := unix.Fstat(f.Fd(), &st); err != nil {
		return 0
	}
	if st.Mode&unix.S_IFMT == unix.S_IFBLK {
		size, _ := f.Size()
		return size
	}
	return st.Blocks * 512
}
