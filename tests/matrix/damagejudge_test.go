// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"slices"
	"strings"

	"zqublkd/internal/imagefile"
	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/check"
	"zqublkd/qcow2/format"
)

// judge compares our check and repair of a damaged image with qemu-img's.
type judge struct {
	*bench
	disk  []byte // before the damage
	zoned bool
	sum   *tallyDamage
}

const (
	plain     = "plain.qcow2"    // a copy for qemu-img, which does not know zones
	plainDisk = "plain.raw"      // what it reads of that
	theirs    = "theirs.qcow2"   // as its repair leaves it
	ours      = "repaired.qcow2" // as ours does
)

func (j *judge) judge() {
	before := j.read(image)
	report, err := j.checked(image, check.RepairNone)
	if err != nil {
		j.sum.refused.Add(1)
		return
	}
	zones := j.zones(image)
	if report.Clean() {
		j.sum.sound.Add(1)
		j.mustBeSound(image, report)
		return
	}
	j.write(ours, before)
	repaired, err := j.checked(ours, check.RepairAll)
	if err != nil {
		j.sum.refused.Add(1)
		j.keeps(zones)
		return
	}
	if repaired.Clean() {
		j.sum.repaired.Add(1)
		j.mustBeSound(ours, repaired)
	} else {
		j.sum.left.Add(1)
	}
	if repaired.Corruptions > report.Corruptions {
		j.Errorf("%d corruptions before the repair, %d after it:\n%s%s", report.Corruptions, repaired.Corruptions, findings(report), findings(repaired))
	}
	j.again(repaired)
	j.keeps(zones)
}

// checked is our check of an image.
func (j *judge) checked(name string, mode check.Repair) (*check.Report, error) {
	f, err := storage.Open(j.path(name), storage.Options{ReadOnly: mode == check.RepairNone})
	if err != nil {
		j.Fatal(err)
	}
	defer f.Close()
	return check.Check(f, check.Options{Repair: mode})
}

func findings(r *check.Report) string {
	var b bytes.Buffer
	r.WriteText(&b)
	lines := bytes.SplitAfter(b.Bytes(), []byte("\n"))
	return string(bytes.Join(lines[:min(len(lines), 12)], nil))
}

// again: a second repair finds nothing to do.
func (j *judge) again(first *check.Report) {
	was := j.read(ours)
	second, err := j.checked(ours, check.RepairAll)
	if err != nil || !bytes.Equal(was, j.read(ours)) {
		j.Errorf("a second repair (%v) goes on where the first stopped:\n%s%s", err, findings(first), findings(second))
	}
}

// mustBeSound: qemu-img opens the image, finds it sound, and reads what we read.
func (j *judge) mustBeSound(name string, r *check.Report) {
	j.writePlain(name)
	got, ourErr := j.readOurs(name)
	out, theirErr := j.try("qemu-img", "convert", "-f", "qcow2", "-O", "raw", plain, plainDisk)
	if errors.Is(ourErr, fs.ErrNotExist) || errors.Is(ourErr, qcow2.ErrNotFollowed) {
		return // a damaged name of another file
	}
	if ourErr != nil && strings.Contains(ourErr.Error(), "compressed cluster") && strings.Contains(out, "error while reading") {
		return // neither of us unpacks clusters in a check
	}
	if theirErr != nil || ourErr != nil {
		j.Errorf("%s is called sound; reading it: we %v, qemu-img %v: %s\n%s", name, ourErr, theirErr, out, findings(r))
		return
	}
	j.mustEqual("what we read", got[:len(got)&^511], j.read(plainDisk)[:len(got)&^511])
	v := j.verdict(plain)
	if v.Corruptions > 0 || v.Errors > 0 || v.Leaks != r.ZoneTableClusters {
		j.Errorf("%s is called sound, and qemu-img check says %+v\n%s", name, v, findings(r))
	}
}

// writePlain copies an image to plain, without the bit of zoned ones.
func (j *judge) writePlain(name string) {
	data := j.read(name)
	if j.zoned && len(data) >= 80 {
		binary.BigEndian.PutUint64(data[72:], binary.BigEndian.Uint64(data[72:])&^uint64(format.IncompatZoned))
	}
	j.write(plain, data)
}

// try runs a command that may fail.
func (j *judge) try(command string, args ...string) (out string, err error) {
	patiently(j.bench, func() error {
		cmd := exec.Command(command, args...)
		cmd.Dir = j.dir
		var b []byte
		b, err = cmd.CombinedOutput()
		if out = string(b); bytes.Contains(b, []byte("Failed to get")) {
			return err
		}
		return nil
	}, func(error) bool { return true })
	return out, err
}

// verdict is what qemu-img check says.
type verdict struct {
	Corruptions uint64 `json:"corruptions"`
	Leaks       uint64 `json:"leaks"`
	Errors      uint64 `json:"check-errors"`
}

func (j *judge) verdict(name string, repair ...string) verdict {
	cmd := exec.Command("qemu-img", append([]string{"check", "-f", "qcow2", "--output=json", name}, repair...)...)
	cmd.Dir = j.dir
	out, err := cmd.Output()
	v := verdict{Errors: 1}
	if err == nil || len(out) > 0 {
		v.Errors = 0
		if json.Unmarshal(out, &v) != nil {
			v.Errors = 1
		}
	}
	return v
}

// readOurs is the disk as we read it.
func (j *judge) readOurs(name string) ([]byte, error) {
	o, err := j.opened(name)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	disk := make([]byte, o.Image.VirtualSize())
	return disk, o.Image.ReadAt(disk, 0)
}

func (j *judge) opened(name string) (*imagefile.Opened, error) {
	return imagefile.Open(j.path(name), imagefile.Options{Options: storage.Options{ReadOnly: true}, AllowBacking: true, AllowData: true})
}

// zones are the write pointers of an image that can be read, nil of others.
func (j *judge) zones(name string) (list []string) {
	o, err := j.opened(name)
	if err != nil || o.Image.Zoned() == nil {
		return nil
	}
	defer o.Close()
	err = o.Image.EachZone(func(k uint32, e format.ZoneEntry) error {
		list = append(list, fmt.Sprint(k, min(e.WP, o.Image.Zoned().WritableEnd(k))))
		return nil
	})
	if err != nil {
		j.Error(err)
	}
	return list
}

// keeps: our repair has lost no zone, and no byte of the disk that qemu-img's
// keeps.
func (j *judge) keeps(zones []string) {
	if zones != nil && !slices.Equal(zones, j.zones(ours)) {
		j.Errorf("the zones were %v and are %v", zones, j.zones(ours))
	}
	j.writePlain(image)
	j.write(theirs, j.read(plain))
	if v := j.verdict(theirs, "-r", "all"); v.Errors > 0 {
		return
	}
	if _, err := j.try("qemu-img", "convert", "-f", "qcow2", "-O", "raw", theirs, plainDisk); err != nil {
		return
	}
	kept := j.read(plainDisk)
	o, err := imagefile.Open(j.path(ours), imagefile.Options{Options: storage.Options{ReadOnly: true}, AllowBacking: true, AllowData: true, IgnoreZones: true})
	if err != nil {
		if bytes.Equal(kept, j.disk) && !bytes.Equal(j.read(ours), j.read(image)) {
			j.Errorf("we can't read what we repaired (%v), and qemu-img has all of it", err)
		}
		return
	}
	defer o.Close()
	for off := 0; off+512 <= min(len(kept), len(j.disk), int(o.Image.VirtualSize())); off += 512 {
		want := j.disk[off : off+512]
		if !bytes.Equal(kept[off:off+512], want) {
			continue
		}
		got := make([]byte, 512)
		err := o.Image.ReadAt(got, uint64(off))
		if err != nil && bytes.Equal(want, make([]byte, 512)) {
			continue // what is lost reads as zeros there, and not at all here
		}
		if err != nil || !bytes.Equal(got, want) {
			j.Errorf("byte %d of the disk: qemu-img's repair keeps it, ours reads it as %#x (%v)", off, got[:8], err)
			return
		}
	}
}
