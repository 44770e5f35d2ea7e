package qcow2

import (
	"testing"
)

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
