// SPDX-License-Identifier: Apache-2.0

package qcow2test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"zqublkd/internal/needs"
	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2/check"
	"zqublkd/qcow2/format"
)

// qemuVerdict is what stock qemu-img check says about an image.
type qemuVerdict struct {
	Corruptions uint64 `json:"corruptions"`
	Leaks       uint64 `json:"leaks"`
	Errors      uint64 `json:"check-errors"`
	End         uint64 `json:"image-end-offset"`
	Allocated   uint64 `json:"allocated-clusters"`
	Fragmented  uint64 `json:"fragmented-clusters"`
	Compressed  uint64 `json:"compressed-clusters"`
}

// NeedQEMU skips a test without qemu-img.
func NeedQEMU(t testing.TB) {
	t.Helper()
	needs.Programs(t, "qemu-utils", "qemu-img")
}

// HaveQEMU reports whether qemu-img is there.
func HaveQEMU() bool {
	_, err := exec.LookPath("qemu-img")
	return err == nil
}

// PlainCopy writes a copy that programs which don't know zones can open.
func PlainCopy(t testing.TB, m *storagetest.Mem) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "copy.qcow2")
	b := m.Bytes()
	bits := binary.BigEndian.Uint64(b[format.IncompatibleField:]) &^ uint64(format.IncompatZoned)
	binary.BigEndian.PutUint64(b[format.IncompatibleField:], bits)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// QemuCheck is what qemu-img check says of an image, zones left out.
func QemuCheck(t testing.TB, m *storagetest.Mem) (v qemuVerdict) {
	t.Helper()
	return QemuCheckFile(t, PlainCopy(t, m))
}

// QemuCheckFile is what qemu-img check says of the image at path.
func QemuCheckFile(t testing.TB, path string) (v qemuVerdict) {
	t.Helper()
	cmd := exec.Command("qemu-img", "check", "-f", "qcow2", "--output=json", path)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &v); err != nil {
		t.Fatalf("%v: %s%s", err, out, stderr.Bytes())
	}
	return v
}

// Agree compares our report with QEMU's, who takes the zone table for leaked.
func Agree(t testing.TB, m *storagetest.Mem, r *check.Report) {
	t.Helper()
	got := qemuVerdict{r.Corruptions, r.Leaks + r.ZoneTableClusters, 0, r.ImageEndOffset,
		r.AllocatedClusters, r.FragmentedClusters, r.CompressedClusters}
	if want := QemuCheck(t, m); got != want {
		t.Errorf("qemu-img says %+v, we %+v:\n%s", want, got, Text(r))
	}
}
