// SPDX-License-Identifier: Apache-2.0

package check_test

import (
	"testing"

	"zqublkd/qcow2/check"
	"zqublkd/qcow2/qcow2test"
)

func TestCheckAgreesWithQEMU(t *testing.T) {
	qcow2test.NeedQEMU(t)
	for _, c := range checkCases {
		if c.qemuDiffers != "" {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			im := spoiled(t, c)
			qcow2test.Agree(t, im.Mem, qcow2test.MustCheck(t, im, check.Options{}))
		})
	}
}

func TestCheckAgreesWithQEMUOnSoundImages(t *testing.T) {
	qcow2test.NeedQEMU(t)
	for name, o := range qcow2test.Shapes {
		t.Run(name, func(t *testing.T) {
			im := qcow2test.NewImage(t, o)
			qcow2test.Agree(t, im.Mem, qcow2test.MustCheck(t, im, check.Options{}))
		})
	}
}

func TestCheckAgreesWithQEMUOnBitmaps(t *testing.T) {
	qcow2test.NeedQEMU(t)
	im := qcow2test.NewImage(t, qcow2test.ImageOptions{ClusterBits: 12, Order: 4})
	im.AddBitmap()
	qcow2test.Agree(t, im.Mem, qcow2test.MustCheck(t, im, check.Options{}))
}

// TestRepairSatisfiesQEMU: what we call sound after a repair, QEMU does too.
func TestRepairSatisfiesQEMU(t *testing.T) {
	qcow2test.NeedQEMU(t)
	for _, c := range checkCases {
		if c.left > 0 {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			im := spoiled(t, c)
			qcow2test.Agree(t, im.Mem, qcow2test.MustCheck(t, im, check.Options{Repair: check.RepairAll}))
		})
	}
}
