// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Status is the error that a request is answered with, by its name in errno(3).
type Status string

// known are those that the block layer hands on as an error of the request.
// EAGAIN and EBUSY, which it may take for "send it again", are none of them.
var known = []struct {
	name  Status
	errno unix.Errno
}{
	{"EIO", unix.EIO}, {"ENOSPC", unix.ENOSPC}, {"ETIMEDOUT", unix.ETIMEDOUT}, {"EOPNOTSUPP", unix.EOPNOTSUPP},
	{"ENODATA", unix.ENODATA}, {"EILSEQ", unix.EILSEQ}, {"EREMOTEIO", unix.EREMOTEIO}, {"ENOLINK", unix.ENOLINK},
	{"EBADE", unix.EBADE}, {"ENOMEM", unix.ENOMEM}, {"ENODEV", unix.ENODEV},
	{"ETOOMANYREFS", unix.ETOOMANYREFS}, {"EOVERFLOW", unix.EOVERFLOW}, {"ETIME", unix.ETIME}, {"EINVAL", unix.EINVAL},
}

// Statuses are the names of all that there are.
func Statuses() []string {
	var names []string
	for _, k := range known {
		names = append(names, string(k.name))
	}
	return names
}

// Errno is the number of the status, 0 of none.
func (s Status) Errno() unix.Errno {
	for _, k := range known {
		if k.name == s {
			return k.errno
		}
	}
	return 0
}

func (s Status) check() error {
	if s == "" || s.Errno() != 0 {
		return nil
	}
	return fmt.Errorf("status %q: give one of %s", string(s), strings.Join(Statuses(), ", "))
}
