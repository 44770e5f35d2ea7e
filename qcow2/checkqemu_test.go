package qcow2

import (
	"testing"
)

func TestCheckAgreesWithQEMU(t *testing.T) {
	NeedQEMU(t)
	for _, c := range checkCases {
		if c.qemuDiffers != "" {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			im := spoiled(t, c)
			Agree(t, im.Mem, MustCheck(t, im, Options{}))
		})
	}
}

func TestCheckAgreesWithQEMUOnSoundImages(t *testing.T) {
	NeedQEMU(t)
	for name, o := range Shapes {
		t.Run(name, func(t *testing.T) {
			im := NewImage(t, o)
			Agree(t, im.Mem, MustCheck(t, im, Options{}))
		})
	}
}

func TestCheckAgreesWithQEMUOnBitmaps(t *testing.T) {
	NeedQEMU(t)
	im := NewImage(t, ImageOptions{ClusterBits: 12, Order: 4})
	im.AddBitmap()
	Agree(t, im.Mem, MustCheck(t, im, Options{}))
}

// TestRepairSatisfiesQEMU: what we call sound after a repair, QEMU does too.
func TestRepairSatisfiesQEMU(t *testing.T) {
	NeedQEMU(t)
	for _, c := range checkCases {
		if c.left > 0 {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			im := spoiled(t, c)
			Agree(t, im.Mem, MustCheck(t, im, Options{Repair: RepairAll}))
		})
	}
}
