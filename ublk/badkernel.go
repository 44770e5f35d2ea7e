// SPDX-License-Identifier: Apache-2.0

package ublk

import (
	"bytes"
	"fmt"
	"regexp"

	"golang.org/x/sys/unix"
)

// badKernels are releases, as uname -r says them, whose driver crashes the kernel in
// ublk_init_queues when a device is added. They took a change of how queues are allocated without
// the one that it builds on.
var badKernels = []struct {
	release *regexp.Regexp
	fixed   string
}{
	{regexp.MustCompile(`^6\.18\.[45]($|[^0-9.])`), "6.18.6"},
	{regexp.MustCompile(`^6\.17\.0-10(15|18)-azure($|-)`), "6.18.6"},
}

// BadKernelError is a kernel that is known to crash when a device is added.
type BadKernelError struct {
	Release string // as uname -r says it
	Fixed   string // first release without the fault
}

// Error names the kernel, what it would do and the way out.
func (e *BadKernelError) Error() string {
	return fmt.Sprintf("Linux %s is known to crash (oops) when a ublk device is added: boot Linux %s or newer, or one before the fault came in", e.Release, e.Fixed)
}

// KnownBad is a *BadKernelError if a kernel of this release must not be asked to add a device, else
// nil.
func KnownBad(release string) error {
	for _, bad := range badKernels {
		if bad.release.MatchString(release) {
			return &BadKernelError{release, bad.fixed}
		}
	}
	return nil
}

// KernelRelease is the release of the running kernel, as uname -r says it; "" if it can't be told.
func KernelRelease() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	name, _, _ := bytes.Cut(u.Release[:], []byte{0})
	return string(name)
}
