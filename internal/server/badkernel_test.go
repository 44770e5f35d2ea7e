// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"zqublkd/ublk"
)

// TestBadKernel: a kernel that is known to crash when a device is added is not
// asked to, unless forced; it is asked for nothing else that would need one.
func TestBadKernel(t *testing.T) {
	w := newWorld(t)
	d := w.daemon(RecoveryOff)
	d.release = func() string { return "6.18.4-arch1-1" }
	err := d.bringUp()
	var bad *ublk.BadKernelError
	if !errors.As(err, &bad) || !strings.Contains(err.Error(), "--force") {
		t.Errorf("not refused, or not with the way out: %v", err)
	}
	w.down(d)
	if calls := w.driver.Calls(); len(calls) > 0 || len(w.folders()) > 0 {
		t.Errorf("the driver was called: %v, folders %v", calls, w.folders())
	}
	d = w.daemon(RecoveryOff)
	d.release = func() string { return "6.18.4-arch1-1" }
	d.cfg.Force = true
	if err := d.bringUp(); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(w.driver.Calls(), "ADD_DEV 0") {
		t.Errorf("forced: %v", w.driver.Calls())
	}
	w.down(d)
}
