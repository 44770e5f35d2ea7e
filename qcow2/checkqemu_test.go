package qcow2

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"zqublkd/internal/storage"
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

func needQEMU(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("qemu-img"); err != nil {
		t.Skip("qemu-img is not installed")
	}
}

// plainCopy writes a copy that programs which don't know zones can open.
func plainCopy(t testing.TB, m *storage.Mem) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "copy.qcow2")
	b := m.Bytes()
	bits := binary.BigEndian.Uint64(b[incompatibleField:]) &^ uint64(IncompatZoned)
	binary.BigEndian.PutUint64(b[incompatibleField:], bits)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func qemuCheck(t testing.TB, m *storage.Mem) (v qemuVerdict) {
	t.Helper()
	cmd := exec.Command("qemu-img", "check", "-f", "qcow2", "--output=json", plainCopy(t, m))
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

// agree compares our report with QEMU's, who takes the zone table for leaked.
func agree(t testing.TB, m *storage.Mem, r *Report) {
	t.Helper()
	got := qemuVerdict{r.Corruptions, r.Leaks + r.ZoneTableClusters, 0, r.ImageEndOffset,
		r.AllocatedClusters, r.FragmentedClusters, r.CompressedClusters}
	if want := qemuCheck(t, m); got != want {
		t.Errorf("qemu-img says %+v, we %+v:\n%s", want, got, text(r))
	}
}

func TestCheckAgreesWithQEMU(t *testing.T) {
	needQEMU(t)
	for _, c := range checkCases {
		if c.qemuDiffers != "" {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			im := spoiled(t, c)
			agree(t, im.Mem, mustCheck(t, im, CheckOptions{}))
		})
	}
}

func TestCheckAgreesWithQEMUOnSoundImages(t *testing.T) {
	needQEMU(t)
	for name, o := range handShapes {
		t.Run(name, func(t *testing.T) {
			im := newHandImage(t, o)
			agree(t, im.Mem, mustCheck(t, im, CheckOptions{}))
		})
	}
}

func TestCheckAgreesWithQEMUOnBitmaps(t *testing.T) {
	needQEMU(t)
	im := newHandImage(t, handOptions{clusterBits: 12, order: 4})
	im.addBitmap()
	agree(t, im.Mem, mustCheck(t, im, CheckOptions{}))
}

// TestRepairSatisfiesQEMU: what we call sound after a repair, QEMU does too.
func TestRepairSatisfiesQEMU(t *testing.T) {
	needQEMU(t)
	for _, c := range checkCases {
		if c.left > 0 {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			im := spoiled(t, c)
			agree(t, im.Mem, mustCheck(t, im, CheckOptions{Repair: RepairAll}))
		})
	}
}
