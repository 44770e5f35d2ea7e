// SPDX-License-Identifier: Apache-2.0

package ublk

import (
	"math/bits"
	"strings"
	"testing"
)

func TestFeatureTable(t *testing.T) {
	for i, f := range FeatureTable() {
		if bits.OnesCount64(uint64(f.Flag)) != 1 || bits.TrailingZeros64(uint64(f.Flag)) != i {
			t.Errorf("row %d (%s) is bit %#x", i, f.Name, uint64(f.Flag))
		}
		if f.Since == "" || f.About == "" {
			t.Errorf("%s has no text", f.Name)
		}
	}
}

// TestKernelFeatures prints what the two kernels answer to GET_FEATURES.
func TestKernelFeatures(t *testing.T) {
	linux6_12, linux7_3 := Features(0x1fe), Features(0x1fffff)
	if got := linux6_12.String(); got != "URING_CMD_COMP_IN_TASK|NEED_GET_DATA|USER_RECOVERY|USER_RECOVERY_REISSUE|UNPRIVILEGED_DEV|CMD_IOCTL_ENCODE|USER_COPY|ZONED" {
		t.Errorf("6.12: %s", got)
	}
	if len(linux7_3.Names()) != 21 || strings.Contains(linux7_3.String(), "BIT_") {
		t.Errorf("7.3: %s", linux7_3)
	}
	if got := linux6_12.Missing(FeatureZoned | FeatureRecoveryFailIO); got != FeatureRecoveryFailIO {
		t.Errorf("6.12 lacks %s", got)
	}
	if got := (FeatureZoned | 1<<40).String(); got != "ZONED|BIT_40" {
		t.Errorf("unknown bit: %s", got)
	}
	if Features(0).String() != "none" {
		t.Errorf("no feature: %s", Features(0))
	}
}
