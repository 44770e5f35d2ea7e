// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// rigImage is one image of the matrix of rigs.
type rigImage struct {
	kind     string
	cluster  uint64
	extended bool
	version  int
	killed   bool // its daemon, at least once
}

var (
	rigKinds    = []string{"fresh", "preallocated", "compressed", "backed", "over qcow2", "snapshot", "data file", "raw data file"}
	rigClusters = []uint64{512, 1024, 2048, 4096, 16 << 10, 64 << 10, 64 << 10, 256 << 10, 2 << 20}
)

const rigDisk = 4 << 20 // bytes of the virtual disk

func drawRigImage(rng *rand.Rand) rigImage {
	i := rigImage{kind: rigKinds[rng.IntN(len(rigKinds))], cluster: rigClusters[rng.IntN(len(rigClusters))], version: 3}
	data := strings.HasSuffix(i.kind, "data file")
	switch {
	case rng.IntN(4) == 0 && !data:
		i.version = 2
	case rng.IntN(3) == 0 && i.cluster >= 16<<10:
		i.extended = true
	}
	return i
}

func (i rigImage) String() string {
	s := fmt.Sprintf("%s,%d", i.kind, i.cluster)
	if i.extended {
		s += ",extended"
	}
	if i.version == 2 {
		s += ",v2"
	}
	return s
}

// stamp is what the disk holds before a run.
func (i rigImage) stamp() uint64 {
	if slices.Contains([]string{"fresh", "preallocated", "data file", "raw data file"}, i.kind) {
		return 0
	}
	return baseStamp
}

func (i rigImage) options(more ...string) string {
	list := append(more, fmt.Sprint("cluster_size=", i.cluster), map[int]string{2: "compat=0.10", 3: "compat=1.1"}[i.version])
	if i.extended {
		list = append(list, "extended_l2=on")
	}
	return strings.Join(list, ",")
}

// make makes the image with stock tools and returns its path. What it reads lies
// in raw.
func (i rigImage) make(t testing.TB, s rigStore) (path, raw string) {
	t.Helper()
	dir, err := os.MkdirTemp(s.dir, "run-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path, raw = filepath.Join(dir, "disk.qcow2"), filepath.Join(dir, "base.raw")
	if err := os.WriteFile(raw, stamped(0, rigDisk/sectorBytes, i.stamp()), 0o600); err != nil {
		t.Fatal(err)
	}
	create := func(options string, more ...string) {
		args := append([]string{"create", "-q", "-f", "qcow2", "-o", options}, more...)
		tool(t, "qemu-img", append(args, path, fmt.Sprint(rigDisk))...)
	}
	s.clear(t)
	if s.device != "" && !strings.HasSuffix(i.kind, "data file") {
		path = s.device
	}
	switch i.kind {
	case "fresh":
		create(i.options())
	case "preallocated":
		create(i.options("preallocation=metadata"))
	case "compressed":
		tool(t, "qemu-img", "convert", "-c", "-O", "qcow2", "-o", i.options(), raw, path)
	case "backed":
		create(i.options(), "-b", raw, "-F", "raw")
	case "over qcow2":
		base := filepath.Join(dir, "base.qcow2")
		tool(t, "qemu-img", "convert", "-O", "qcow2", raw, base)
		create(i.options(), "-b", base, "-F", "qcow2")
	case "snapshot":
		tool(t, "qemu-img", "convert", "-O", "qcow2", "-o", i.options(), raw, path)
		tool(t, "qemu-img", "snapshot", "-c", "before", path)
	case "data file", "raw data file":
		create(i.options("data_file="+i.dataFile(s, path), "data_file_raw="+map[bool]string{true: "on", false: "off"}[i.kind[0] == 'r']))
	}
	return path, raw
}

// check has qemu-img look for damage. What a death has leaked of an image of
// version 2 stays.
func (i rigImage) check(t testing.TB, path string) {
	t.Helper()
	const leaks = 3
	out, err := exec.Command("qemu-img", "check", path).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !(i.version == 2 && i.killed && errors.As(err, &exit) && exit.ExitCode() == leaks) {
		t.Fatalf("qemu-img check: %v\n%s", err, out)
	}
}

// dataFile is where an external data file lies.
func (i rigImage) dataFile(s rigStore, path string) string {
	if s.device != "" {
		return s.device
	}
	return path + ".data"
}

// judge has stock tools read the image, from the disk, against what the model
// knows.
func (i rigImage) judge(t testing.TB, s rigStore, path, raw string, m *sectorModel) {
	t.Helper()
	forgetCache(t, path)
	if strings.HasSuffix(i.kind, "data file") {
		forgetCache(t, i.dataFile(s, path))
	}
	i.check(t, path)
	out := filepath.Join(filepath.Dir(raw), "out.raw")
	tool(t, "qemu-img", "convert", "-O", "raw", path, out)
	got, err := os.ReadFile(out)
	if err == nil && len(got) != rigDisk {
		err = fmt.Errorf("%d bytes", len(got))
	}
	if err == nil {
		err = m.saw(0, got)
	}
	if err != nil {
		t.Errorf("as qemu-img reads it: %v", err)
	}
	if i.kind == "snapshot" {
		tool(t, "qemu-img", "convert", "-O", "raw", "-l", "snapshot.name=before", path, out)
		tool(t, "qemu-img", "compare", "-q", "-f", "raw", "-F", "raw", raw, out)
	}
}
